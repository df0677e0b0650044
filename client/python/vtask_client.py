# SPDX-License-Identifier: Apache-2.0
"""Tell vtask what a tool really read, wrote and cared about.

    import vtask_client

    with vtask_client.Client() as client:
        client.ignore_output(".cache")
        mode = client.get_env("MY_MODE")

Outside of a run every report does nothing, and variables come from os.environ.
One file on libvtask_client (ctypes, nothing to build): it is looked for where
VTASK_CLIENT_LIBRARY says, beside an installed vtask, then by the loader. Without
the library everything behaves as outside of a run, but inside of one that is
an error (LibraryNotFound): a report that is lost could make a result wrong.

A Client may be used by several threads. Paths and names are str or bytes;
str is turned to bytes as os.fsencode does.
"""

import ctypes
import ctypes.util
import fnmatch
import os

__all__ = ["Client", "Error", "LibraryNotFound", "in_run"]

_INVALID = -1
_GONE = -2


class Error(Exception):
    """A request that cannot be served: a broken glob, an empty name."""


class LibraryNotFound(Error):
    """This is a vtask run, but there is no libvtask_client."""


class _Variable(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_char_p)]


def in_run():
    """Whether this process is part of a cached task."""
    return bool(os.environ.get("VT_IPC") or os.environ.get("VP_RUN_IPC_NAME"))


def _candidates():
    named = os.environ.get("VTASK_CLIENT_LIBRARY")
    if named:
        yield named
        return
    # <prefix>/share/vtask/python/vtask_client.py, <prefix>/lib
    here = os.path.dirname(os.path.realpath(__file__))
    yield os.path.join(here, "..", "..", "..", "lib", "libvtask_client.so.1")
    yield "libvtask_client.so.1"


def _load():
    for name in _candidates():
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        _declare(library)
        return library
    return None


def _declare(library):
    client, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    integer = ctypes.c_int
    variables = ctypes.POINTER(ctypes.POINTER(_Variable))
    signatures = {
        "open": (client, []),
        "close": (None, [client]),
        "is_active": (integer, [client]),
        "error": (text, [client]),
        "ignore_input": (integer, [client, text]),
        "ignore_output": (integer, [client, text]),
        "track_input": (integer, [client, text]),
        "track_output": (integer, [client, text]),
        "track_value": (integer, [client, text, text, size]),
        "disable_cache": (integer, [client, text]),
        "get_env": (integer, [client, text, integer,
                              ctypes.POINTER(ctypes.c_void_p),
                              ctypes.POINTER(size)]),
        "get_envs": (integer, [client, text, integer, variables,
                               ctypes.POINTER(size)]),
        "get_envs_with_prefix": (integer, [client, text, integer, variables,
                                           ctypes.POINTER(size)]),
        "sync": (integer, [client]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, "vtask_client_" + name)
        function.restype, function.argtypes = result, arguments


_libc = ctypes.CDLL(None)
_libc.free.argtypes = [ctypes.c_void_p]


class Client:
    """A connection to the task that this process runs in."""

    def __init__(self):
        self._library = _load()
        self._handle = None
        if self._library is not None:
            self._handle = self._library.vtask_client_open()
        elif in_run():
            raise LibraryNotFound(
                "libvtask_client.so.1 is not found; set VTASK_CLIENT_LIBRARY "
                "to its path")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Everything reported before has been written."""
        if self._handle is not None:
            self._library.vtask_client_close(self._handle)
            self._handle = None

    def _call(self, name, *arguments):
        if self._handle is None:
            return
        result = getattr(self._library, "vtask_client_" + name)(
            self._handle, *arguments)
        if result == _INVALID:
            raise Error(f"{name}: invalid argument {arguments[:1]!r}")
        # Gone: the run will not be stored, which is no reason to fail.
        if result < _GONE:
            raise MemoryError(name)

    @property
    def is_active(self):
        """Whether somebody listens."""
        return (self._handle is not None and
                self._library.vtask_client_is_active(self._handle) == 1)

    @property
    def error(self):
        """Why nobody listens; empty outside of a run."""
        if self._handle is None:
            return ""
        return self._library.vtask_client_error(self._handle).decode()

    def ignore_input(self, path):
        """Reads at and below `path` do not make the task run again."""
        self._call("ignore_input", os.fsencode(path))

    def ignore_output(self, path):
        """Writes at and below `path` are neither stored nor restored."""
        self._call("ignore_output", os.fsencode(path))

    def track_input(self, path):
        """`path` counts as read although nobody saw it."""
        self._call("track_input", os.fsencode(path))

    def track_output(self, path):
        """`path` counts as written although nobody saw it."""
        self._call("track_output", os.fsencode(path))

    def track_value(self, key, value):
        """The result depends on `value` (str or bytes) too."""
        value = value.encode() if isinstance(value, str) else bytes(value)
        self._call("track_value", os.fsencode(key), value, len(value))

    def disable_cache(self, reason=None):
        """This run is not to be stored."""
        self._call("disable_cache", reason.encode() if reason else None)

    def get_env(self, name, tracked=True):
        """The variable as `vt run` was given it, or None."""
        if self._handle is None:
            return os.environ.get(name)
        value = ctypes.c_void_p()
        size = ctypes.c_size_t()
        self._call("get_env", os.fsencode(name), int(tracked),
                   ctypes.byref(value), ctypes.byref(size))
        if not value.value:
            return None
        try:
            return os.fsdecode(ctypes.string_at(value.value, size.value))
        finally:
            _libc.free(value)

    def get_envs(self, glob=None, *, prefix=None, tracked=True):
        """All variables whose name matches a glob, or begins with a prefix."""
        if (glob is None) == (prefix is None):
            raise TypeError("give a glob or a prefix")
        if self._handle is None:
            if glob in ("*", "") or prefix == "":
                return {}
            return {name: value for name, value in sorted(os.environ.items())
                    if (name.startswith(prefix) if glob is None
                        else fnmatch.fnmatchcase(name, glob))}
        found = ctypes.POINTER(_Variable)()
        count = ctypes.c_size_t()
        name = "get_envs" if prefix is None else "get_envs_with_prefix"
        self._call(name, os.fsencode(glob if prefix is None else prefix),
                   int(tracked), ctypes.byref(found), ctypes.byref(count))
        try:
            return {os.fsdecode(found[i].name): os.fsdecode(found[i].value)
                    for i in range(count.value)}
        finally:
            _libc.free(found)

    def sync(self):
        """Waits until everything reported has been taken."""
        self._call("sync")
