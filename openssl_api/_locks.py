"""Types of the callbacks by which OpenSSL used to lock, which it has not called since 1.1.

Delphi: Grijjy.OpenSSL.API
"""

from __future__ import annotations

from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_void_p


class TCRYPTO_dynlock_value(Structure):
    """A lock of the application's making, which OpenSSL used to hand back to the locking callbacks; unused since 1.1.

    Delphi: Grijjy.OpenSSL.API.TCRYPTO_dynlock_value
    """

    _fields_ = (("mutex", c_void_p),)


PCRYPTO_dynlock_value = POINTER(TCRYPTO_dynlock_value)

TStatLockLockCallback = CFUNCTYPE(None, c_int, c_int, c_char_p, c_int)
TDynLockCreateCallback = CFUNCTYPE(c_void_p, c_char_p, c_int)
TDynLockLockCallback = CFUNCTYPE(None, c_int, PCRYPTO_dynlock_value, c_char_p, c_int)
TDynLockDestroyCallback = CFUNCTYPE(None, PCRYPTO_dynlock_value, c_char_p, c_int)

LOCK_TYPES = {
    "PCRYPTO_dynlock_value": PCRYPTO_dynlock_value,
    "TCRYPTO_dynlock_value": TCRYPTO_dynlock_value,
    "TDynLockCreateCallback": TDynLockCreateCallback,
    "TDynLockDestroyCallback": TDynLockDestroyCallback,
    "TDynLockLockCallback": TDynLockLockCallback,
    "TStatLockLockCallback": TStatLockLockCallback,
}
