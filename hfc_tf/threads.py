"""One lock for all compiled functions: oneDNN's kernels crash when two threads run one of them.

Measured with TensorFlow 2.21 on CPUs. The lock is re-entrant, so that whoever holds it may call
what takes it again.
"""

import threading

COMPUTE_LOCK = threading.RLock()
