"""System calls that a decoder has no business making fail with EPERM. Linux only.

A filter of seccomp(2) in classic BPF, built from two readable tables. It names what is refused
rather than what is allowed: what a decoder and its C library need differs between machines and
versions, what it must never do does not. Refused are the network, other programs and processes,
and everything that changes the machine. Threads stay possible.
"""

import ctypes
import errno
import os
import platform
import struct
from typing import NamedTuple

from cella.media import libc

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_FAIL = 0x00050000
_KILL = 0x80000000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_NUMBER = 0  # offsets in struct seccomp_data
_ARCHITECTURE = 4
_FIRST_ARGUMENT = 16
_THIRD_ARGUMENT = 32

_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000


class _Machine(NamedTuple):
    """The audit number of an architecture, and its column in `_REFUSED`."""

    audit: int
    column: int


_MACHINES = {"x86_64": _Machine(0xC000003E, 0), "aarch64": _Machine(0xC00000B7, 1)}

_ABSENT = -1
_REFUSED: dict[str, tuple[int, int]] = {
    # the network, and sockets of any kind
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    # io_uring could do most of these unseen
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # other programs and processes; clone is judged by its arguments below
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, _ABSENT),
    "vfork": (58, _ABSENT),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    # memory and messages shared with others
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # its own limits, rights and confinement
    "setrlimit": (160, 164),
    "seccomp": (317, 277),
    "capset": (126, 91),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setgroups": (116, 159),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "personality": (135, 92),
    # files by other ways than opening them, and changes that Landlock does not see
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "chmod": (90, _ABSENT),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, _ABSENT),
    "fchown": (93, 55),
    "lchown": (94, _ABSENT),
    "fchownat": (260, 54),
    "mknod": (133, _ABSENT),
    "mknodat": (259, 33),
    "link": (86, _ABSENT),
    "linkat": (265, 37),
    "symlink": (88, _ABSENT),
    "symlinkat": (266, 36),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "fanotify_init": (300, 262),
    "inotify_init": (253, _ABSENT),
    "inotify_init1": (294, 26),
    # the machine
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "iopl": (172, _ABSENT),
    "ioperm": (173, _ABSENT),
    "modify_ldt": (154, _ABSENT),
}
"""Numbers on x86_64 (asm/unistd_64.h) and on aarch64 (asm-generic/unistd.h)."""

_EXECUTE = "execve"
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_TGKILL = (234, 131)
_PRLIMIT64 = (302, 261)


class _Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_system_calls(*, may_execute: bool = False) -> None:
    """Put the filter on the calling process, for good; it needs no_new_privs.

    With `may_execute` it may still become another program, for which the filter holds as well.
    Raises OSError where the kernel or the architecture has no such filter.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None or struct.calcsize("P") != 8:
        raise OSError(errno.ENOSYS, "no system call filter for this architecture")
    code = b"".join(_filter(machine, os.getpid(), may_execute=may_execute))
    program = _Program(len(code) // 8, code)
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))


def _filter(machine: _Machine, pid: int, *, may_execute: bool) -> list[bytes]:
    fail = _step(_RETURN, _FAIL | errno.EPERM)
    allow = _step(_RETURN, _ALLOW)
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_IF_EQUAL, machine.audit, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_IF_AT_LEAST, _X32_BIT, 0, 1),
        fail,
    ]
    for name, numbers in _REFUSED.items():
        allowed = may_execute and name == _EXECUTE
        if numbers[machine.column] != _ABSENT and not allowed:
            steps += [_step(_IF_EQUAL, numbers[machine.column], 0, 1), fail]
    # glibc asks for threads by clone3, whose flags a filter cannot see, and falls back on ENOSYS.
    steps += [
        _step(_IF_EQUAL, _CLONE3[machine.column], 0, 1),
        _step(_RETURN, _FAIL | errno.ENOSYS),
        _step(_IF_EQUAL, _CLONE[machine.column], 0, 4),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_IF_ANY_BIT, _CLONE_THREAD, 1, 0),
        fail,
        allow,
        # abort(3) signals its own process.
        _step(_IF_EQUAL, _TGKILL[machine.column], 0, 4),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_IF_EQUAL, pid, 1, 0),
        fail,
        allow,
        # getrlimit(3) passes no new limit.
        _step(_IF_EQUAL, _PRLIMIT64[machine.column], 0, 5),
        _step(_LOAD, _THIRD_ARGUMENT),
        _step(_IF_EQUAL, 0, 0, 2),
        _step(_LOAD, _THIRD_ARGUMENT + 4),
        _step(_IF_EQUAL, 0, 1, 0),
        fail,
        allow,
    ]
    return steps


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One `struct sock_filter`; the jumps count the steps to skip."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
