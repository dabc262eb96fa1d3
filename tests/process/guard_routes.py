"""The write matrix as data: the ways to write to a file, and what is to come of each below the guard."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class End(Enum):
    """What comes of a route under the guard."""

    REFUSED = "EBUSY"  # the guard sees it come to the file, and the call fails
    CLOSED = "closed"  # the filter has no such call, or an empty one: nothing is asked
    MISSED = "missed"  # a documented exception: the file changes, and a later layer finds out


@dataclass(frozen=True)
class Route:
    """A way to write to the held file: a shell script, and the program that must be there for it.

    `first` runs before, outside the guard, and whatever it leaves running goes on there. `outside` gives the
    script a descriptor that was opened outside ($FD): "inherited", or "sent" over a socket. `why` says for an
    exception why it is one.
    """

    name: str
    script: str
    needs: str = "sh"
    held: bytes = b"held.txt"
    first: str = ""
    end: End = End.REFUSED
    outside: str = ""
    keep_dumpable: bool = True
    # Tell the script over the pipe `go` when it is looked at, and go on when `done` is read.
    swap: bool = False
    why: str = ""


def _python(code: str) -> str:
    return f"$PYTHON -I -S -c '{code}'"


ROUTES = [
    Route("shell >", "echo x > held.txt"),
    Route("shell >>", "echo x >> held.txt"),
    Route("shell >|", "set -C; echo x >| held.txt"),
    Route("shell <>", "echo x 1<> held.txt"),
    Route("tee", "echo x | tee held.txt"),
    Route("tee -a", "echo x | tee -a held.txt"),
    Route("dd", "dd if=/dev/zero of=held.txt bs=1 count=1 conv=notrunc"),
    Route("cp over", "cp other.txt held.txt"),
    Route("cp --remove-destination", "cp --remove-destination other.txt held.txt"),
    Route("cp -l over", "cp -lf other.txt held.txt"),
    Route("mv over", "mv other.txt held.txt"),
    Route("mv away", "mv held.txt moved.txt"),
    Route("mv the folder", "cd .. && mv repo elsewhere"),
    Route("install", "install other.txt held.txt"),
    Route("rm", "rm -f held.txt"),
    Route("rm -r", "cd .. && rm -rf repo"),
    Route("unlink", "unlink held.txt"),
    Route("truncate", "truncate -s 0 held.txt"),
    Route("ln -sf", "ln -sf other.txt held.txt"),
    Route("ln then write", "ln held.txt alias.txt && echo x > alias.txt"),
    Route(
        "hard link to a descriptor",
        _python(
            'import ctypes, os; l = ctypes.CDLL(None, use_errno=True); r = l.linkat(os.open("held.txt", 0), b"", -100, b"alias.txt", 0x1000); print(os.strerror(ctypes.get_errno())); open("alias.txt" if r == 0 else "/dev/null", "w").write("x")'
        ),
    ),
    Route("through a symbolic link", "ln -s held.txt link.txt; echo x > link.txt"),
    Route("through a link chain", "ln -s held.txt a; ln -s a b; echo x > b"),
    Route("through a linked folder", 'ln -s "$PWD" dir; echo x > dir/held.txt'),
    Route("absolute path", 'echo x > "$PWD/held.txt"'),
    Route("dots", "echo x > ./folder/../held.txt"),
    Route("/proc/self/cwd", "echo x > /proc/self/cwd/held.txt"),
    Route("/proc/self/fd", "exec 3< held.txt; echo x > /proc/self/fd/3"),
    Route("/dev/fd", "exec 3< held.txt; echo x > /dev/fd/3"),
    Route(
        "/dev/fd with a high number",
        _python('import os; os.dup2(os.open("held.txt", 0), 200); open("/dev/fd/200", "w").write("x")'),
    ),
    Route("sed -i", "sed -i s/one/ONE/ held.txt", "sed"),
    Route("perl -i", "perl -pi -e s/one/ONE/ held.txt", "perl"),
    Route("perl sysopen", 'perl -e \'open F, "+<", "held.txt" or die $!; print F x\'', "perl"),
    Route("awk", 'awk \'BEGIN { print "x" > "held.txt" }\'', "awk"),
    Route("sort -o", "sort -r -o held.txt held.txt", "sort"),
    Route("shuf -o", "shuf -o held.txt other.txt", "shuf"),
    Route(
        "split",
        "(cat held.txt; echo x) > src; split -n 1 src held.tx -a 1 --additional-suffix=t; mv held.txat held.txt",
    ),
    Route(
        "patch",
        "printf -- '--- held.txt\\n+++ held.txt\\n@@ -1 +1 @@\\n-one\\n+ONE\\n' | patch held.txt",
        "patch",
    ),
    Route("vim", "vim -es -u NONE -c '%s/one/ONE/' -c 'wq!' held.txt", "vim"),
    Route("ed", "printf '1s/one/ONE/\\nw\\nq\\n' | ed -s held.txt", "ed"),
    Route("tar x", "mkdir in; echo x > in/held.txt; tar -C in -cf t.tar held.txt; tar xf t.tar", "tar"),
    Route("rsync", "mkdir in; echo x > in/held.txt; rsync -I in/held.txt held.txt", "rsync"),
    Route("node writeFile", 'node -e \'fs.writeFileSync("held.txt", "x")\'', "node"),
    Route("node promises", 'node -e \'fs.promises.writeFile("held.txt", "x")\'', "node"),
    Route(
        "node write and rename",
        'node -e \'fs.writeFileSync("t", "x"); fs.renameSync("t", "held.txt")\'',
        "node",
    ),
    Route("node io_uring", 'UV_USE_IO_URING=1 node -e \'fs.writeFile("held.txt", "x", () => {})\'', "node"),
    Route("python open", _python('open("held.txt", "w").write("x")')),
    Route("python append", _python('open("held.txt", "a").write("x")')),
    Route("python os.replace", _python('import os; open("t", "w").close(); os.replace("t", "held.txt")')),
    Route("python dirfd", _python('import os; d = os.open(".", 0); os.open("held.txt", 2, dir_fd=d)')),
    Route(
        "python mmap", _python('import mmap; f = open("held.txt", "r+"); mmap.mmap(f.fileno(), 0)[0] = 88')
    ),
    Route("python truncate", _python('import os; os.truncate("held.txt", 0)')),
    Route("python mkfifo over", _python('import os; os.unlink("held.txt"); os.mkfifo("held.txt")')),
    Route(
        "posix_spawn file action",
        _python(
            'import os; os.posix_spawn("/bin/echo", ["echo", "x"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "held.txt", 513, 420)])'
        ),
    ),
    Route(
        "O_TMPFILE and linkat",
        _python(
            'import os; f = os.open(".", os.O_TMPFILE | os.O_RDWR); os.write(f, b"x"); os.unlink("held.txt"); os.link(f"/proc/self/fd/{f}", "held.txt", follow_symlinks=True)'
        ),
    ),
    Route(
        "a daemon",
        _python(
            'import os; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); open("held.txt", "w").write("x")'
        ),
    ),
    Route("git checkout of a file", "git checkout -q HEAD~1 -- held.txt", "git"),
    Route("git restore", "git restore -s HEAD~1 held.txt", "git"),
    Route("git apply", "git diff HEAD HEAD~1 -- held.txt | git apply", "git"),
    Route("git rm", "git rm -qf held.txt", "git"),
    Route("git mv", "git mv held.txt moved.txt", "git"),
    Route("git reset --hard", "git reset -q --hard HEAD~1", "git"),
    Route("unshare user namespace", "unshare -Urm sh -c 'echo x > held.txt'", "unshare"),
    Route(
        "bind mount elsewhere",
        "mkdir -p ../mnt && unshare -Urm sh -c 'mount --bind . ../mnt && echo x > ../mnt/held.txt'",
        "unshare",
    ),
    Route("bwrap", "bwrap --bind / / --dev /dev sh -c 'echo x > held.txt'", "bwrap"),
    Route(
        "bwrap at /mnt",
        "bwrap --ro-bind / / --bind . /mnt --dev /dev sh -c 'echo x > /mnt/held.txt'",
        "bwrap",
    ),
    # --- by hand, in a static program --------------------------------------------------------------
    Route("raw openat2", '"$RAW" openat2 held.txt', "cc"),
    Route("raw openat2, folder as root", '"$RAW" "openat2 in root" /held.txt', "cc"),
    Route("raw creat", '"$RAW" "old creat" held.txt', "cc"),
    Route("raw i386 open (int 0x80)", '"$RAW" int80 held.txt', "cc"),
    Route("raw x32 openat", '"$RAW" x32 held.txt', "cc", end=End.CLOSED),
    Route("raw io_uring openat", '"$RAW" io_uring held.txt', "cc", end=End.CLOSED),
    Route("open by file handle", '"$RAW" handle held.txt', "cc", end=End.CLOSED),
    Route("fexecve", '"$RAW" fexecve held.txt', "cc"),
    Route("program in a memfd", '"$RAW" memfd held.txt', "cc"),
    Route("non-dumpable program", '"$RAW" unreadable held.txt', "cc"),
    Route(
        "rename exchange",
        _python(
            'import ctypes, os; l = ctypes.CDLL(None, use_errno=True); r = l.renameat2(-100, b"other.txt", -100, b"held.txt", 2); print(os.strerror(ctypes.get_errno()))'
        ),
    ),
    # --- other names of the file ------------------------------------------------------------------
    Route("hard link made before", "echo x > alias.txt", first="ln held.txt alias.txt"),
    Route(
        "hard link outside the checkout",
        "echo x > ../alias.txt",
        first="ln held.txt ../alias.txt",
    ),
    Route(
        "bind mount of a folder",
        "mkdir ../mnt; unshare -Urm sh -c 'mount --bind folder ../mnt && echo x > ../mnt/inner.txt'",
        "unshare",
        held=b"folder/inner.txt",
    ),
    Route(
        "bind mount of the file",
        "touch ../name; unshare -Urm sh -c 'mount --bind held.txt ../name && echo x > ../name'",
        "unshare",
    ),
    Route(
        "bwrap with one folder",
        "bwrap --ro-bind / / --bind folder /mnt --dev /dev sh -c 'echo x > /mnt/inner.txt'",
        "bwrap",
        held=b"folder/inner.txt",
    ),
    Route("renamed parent folder", "mv folder renamed; echo x > renamed/inner.txt", held=b"folder/inner.txt"),
    Route("deleted working folder", "mkdir gone; cd gone; rmdir ../gone; echo x > ../held.txt"),
    Route("path of 4,095 bytes", 'p=$(printf "%4086s" | sed "s| |/|g"); echo x > ".${p}held.txt"', "sed"),
    Route(
        "link to a path of 4,000 bytes",
        'p=$(printf "%3990s" | sed "s| |/|g"); ln -s ".${p}held.txt" long; echo x > long',
        "sed",
    ),
    Route("name that is no UTF-8", "echo x > \"$(printf 'h\\377\\376d.bin')\"", held=b"h\xff\xfed.bin"),
    Route("append mode kept open", "exec 9>> held.txt; echo x >&9"),
    Route(
        "rsync --inplace", "mkdir in; echo x > in/held.txt; rsync -I --inplace in/held.txt held.txt", "rsync"
    ),
    Route("rg and xargs", "rg -l two | grep held | xargs sed -i s/two/TWO/", "rg"),
    Route("cp --reflink", "cp --reflink=auto other.txt held.txt"),
    Route("find -delete", "find . -name held.txt -delete", "find"),
    Route("python shutil.move", _python('import shutil; shutil.move("other.txt", "held.txt")')),
    Route("node copyFile", 'node -e \'fs.copyFileSync("other.txt", "held.txt")\'', "node"),
    Route("git stash", "git stash -q", "git", first="echo x >> held.txt; touch -d @1 held.txt"),
    Route("git clean", "git clean -qfd", "git", held=b"new.txt", first="echo new > new.txt"),
    Route(
        "renamed over it, in a bind mount of the parent",
        "mkdir ../mnt; echo x > ../out.txt; unshare -Urm sh -c 'mount --bind .. ../mnt && cd ../mnt && mv -f out.txt repo/held.txt'",
        "unshare",
    ),
    Route(
        "folder link that leads elsewhere in bwrap",
        'ln -s /mnt ../away; d=$(realpath ..); bwrap --ro-bind / / --bind . /mnt --dev /dev sh -c "echo x > $d/away/held.txt"',
        "bwrap",
    ),
    Route(
        "detached mount",
        "unshare -Urm "
        + _python(
            'import ctypes, os; d = ctypes.CDLL(None).syscall(428, -100, b".", 0o2000001); open("held.txt", "w", opener=lambda p, f: os.open(p, f, dir_fd=d)).write("x")'
        ),
        "unshare",
    ),
    Route(
        "renamed over it in a detached mount",
        "unshare -Urm "
        + _python(
            'import ctypes, os; d = ctypes.CDLL(None).syscall(428, -100, b".", 0o2000001); os.rename("other.txt", "held.txt", src_dir_fd=d, dst_dir_fd=d)'
        ),
        "unshare",
    ),
    Route(
        "removed in a detached mount",
        "unshare -Urm "
        + _python(
            'import ctypes, os; d = ctypes.CDLL(None).syscall(428, -100, b".", 0o2000001); os.unlink("held.txt", dir_fd=d)'
        ),
        "unshare",
    ),
    Route(
        "absolute link inside chroot",
        "ln -s /repo ../away; unshare -Ur "
        + _python('import os; os.chroot(".."); os.chdir("/"); open("/away/held.txt", "w").write("x")'),
        "unshare",
    ),
    Route(
        "chroot in a mount namespace",
        'mkdir ../mnt; p=$(pwd); unshare -Urm sh -c \'mount --rbind / ../mnt && PATH=$PATH:/usr/sbin:/sbin chroot ../mnt sh -c "echo x > $0/held.txt"\' "$p"',
        "unshare",
    ),
    Route("link to /proc/self/cwd", "ln -s /proc/self/cwd ../link; echo x > ../link/held.txt"),
    Route("link to /dev/fd", "exec 3<held.txt; ln -s /dev/fd/3 ../link; echo x > ../link"),
    Route("/dev/../dev/fd", "exec 3<held.txt; echo x > /dev/../dev/fd/3"),
    Route("//proc/self/fd", "exec 3<held.txt; echo x > //proc/self/fd/3"),
    Route("/proc/self/task", "echo x > /proc/self/task/$$/cwd/held.txt"),
    Route("/dev/shm/..", 'echo x > "/dev/shm/../..$(pwd)/held.txt"'),
    # --- exceptions --------------------------------------------------------------------------------
    Route(
        "descriptor inherited from outside",
        _python('import os; os.write(int(os.environ["FD"]), b"x")'),
        end=End.MISSED,
        outside="inherited",
        why="it was opened outside the session",
    ),
    Route(
        "descriptor sent over a socket",
        _python(
            'import os, socket; f = socket.recv_fds(socket.socket(fileno=int(os.environ["FD"])), 1, 1)[1]; os.write(f[0], b"x")'
        ),
        end=End.MISSED,
        outside="sent",
        why="it was opened outside the session",
    ),
    Route(
        "daemon that runs elsewhere",
        "echo x > ask; cat done",
        first="mkfifo ask done; (cat ask > held.txt; echo > done) >/dev/null 2>&1 &",
        end=End.MISSED,
        why="a process outside the session writes",
    ),
    Route(
        "path changed after the check",
        _python(
            'import ctypes, os, threading; p = ctypes.create_string_buffer(b"new1.txt"); l = ctypes.CDLL(None); '
            't = threading.Thread(target=lambda: (os.read(os.open("go", 0), 1), p.__setattr__("value", b"held.txt"), os.close(os.open("done", 0)))); '
            't.start(); f = l.open(p, 513); t.join(); os.write(f, b"x")'
        ),
        first="mkfifo go done; touch new1.txt",
        end=End.MISSED,
        swap=True,
        why="another thread changes the name between the guard's look and the kernel's",
    ),
    Route(
        "non-dumpable program, allowed to be",
        '"$RAW" unreadable held.txt',
        "cc",
        end=End.MISSED,
        keep_dumpable=False,
        why="with `guard.keep_dumpable = false` its memory cannot be read; a worker that runs as root can, and refuses",
    ),
    Route(
        "overlay on top of the checkout",
        "mkdir ../low ../work ../mnt; unshare -Urm sh -c 'mount -t overlay o -o lowerdir=../low,upperdir=.,workdir=../work ../mnt && echo x > ../mnt/held.txt'",
        "unshare",
        end=End.MISSED,
        why="the kernel writes to the checkout for a file of another file system",
    ),
]
