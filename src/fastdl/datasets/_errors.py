"""What goes wrong with data sets."""


class DatasetError(Exception):
    """A data set is missing, damaged or could not be fetched."""


class MissingDatasetError(DatasetError, FileNotFoundError):
    """No form of the data set lies where it was looked for; the message says what gets it."""
