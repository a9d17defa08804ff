"""What goes wrong with data sets."""


class DatasetError(Exception):
    """A data set is missing, damaged or could not be fetched.

    Examples
    --------
    >>> try:
    ...     rows = fd.datasets.load_mnist(data_dir="nowhere")
    ... except fd.datasets.DatasetError as error:
    ...     print(type(error).__name__)
    MissingDatasetError
    """


class MissingDatasetError(DatasetError, FileNotFoundError):
    """No form of the data set lies where it was looked for; the message says what gets it.

    Examples
    --------
    >>> try:
    ...     (x, y), held_out, test = fd.datasets.load_mnist(data_dir="nowhere")
    ... except fd.datasets.MissingDatasetError:
    ...     (x, y), held_out, test = fd.datasets.stand_in("mnist", 500)
    """
