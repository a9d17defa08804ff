"""SciPy's L-BFGS-B over the parameters as they lie, with the loops' gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdl.sklearn._engine import Engine
from fastdl.sklearn._training import Training


def minimise(engine: Engine, training: Training, settings: dict[str, Any]) -> tuple[float, int]:
    """Have the least loss; gives it, and the iterations that it took."""
    from scipy.optimize import minimize
    from sklearn.utils.optimize import _check_optimize_result

    flat = engine.core.flat

    def loss_of(parameters: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        np.copyto(flat, parameters)
        return training.gradient()

    found = minimize(loss_of, flat.copy(), method="L-BFGS-B", jac=True, options=settings)
    np.copyto(flat, found.x)
    return float(found.fun), int(_check_optimize_result("lbfgs", found, settings["maxiter"]))
