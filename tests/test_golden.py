"""Fits have the bits that they had when they were first trained, on any number of threads."""

import pytest

from fastdl import _kernels
from tests import golden

KNOWN = golden.known()


@pytest.mark.parametrize("isa", [isa for isa in golden.ISAS if isa in _kernels.ISAS], indirect=True)
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", golden.DTYPES)
def test_a_fit_has_the_bits_that_it_always_had(isa, dtype, n_threads):
    fits = [fit for fit in golden.fits() if fit.dtype == dtype]
    some = fits if n_threads == 1 else fits[::2]
    other = [fit.name for fit in some if golden.checksum(fit, n_threads) != KNOWN[fit.name][isa]]
    assert not other


def test_every_fit_is_known_with_every_instruction_set():
    assert list(KNOWN) == [fit.name for fit in golden.fits()]
    assert set(_kernels.ISAS) <= {*golden.ISAS, "neon", "baseline"}  # whose bits are not kept
