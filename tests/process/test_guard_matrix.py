"""The write matrix below the real filter: no route changes a file that the policy refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.process import guarded
from workers.guard.calls import Target

pytestmark = pytest.mark.process

HELD = "held.txt"
CONTENT = "one\ntwo\nthree\n"


@dataclass(frozen=True)
class Route:
    """A way to write to the held file: a shell script, and the program that must be there for it."""

    name: str
    script: str
    needs: str = "sh"


def _python(code: str) -> str:
    return f"{sys.executable} -I -S -c '{code}'"


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
    Route("through a symbolic link", "ln -s held.txt link.txt; echo x > link.txt"),
    Route("through a link chain", "ln -s held.txt a; ln -s a b; echo x > b"),
    Route("through a linked folder", 'ln -s "$PWD" dir; echo x > dir/held.txt'),
    Route("absolute path", 'echo x > "$PWD/held.txt"'),
    Route("dots", "echo x > ./folder/../held.txt"),
    Route("/proc/self/cwd", "echo x > /proc/self/cwd/held.txt"),
    Route("/proc/self/fd", "exec 3< held.txt; echo x > /proc/self/fd/3"),
    Route("/dev/fd", "exec 3< held.txt; echo x > /dev/fd/3"),
    Route("sed -i", "sed -i s/one/ONE/ held.txt", "sed"),
    Route("perl -i", "perl -pi -e s/one/ONE/ held.txt", "perl"),
    Route("perl sysopen", 'perl -e \'open F, "+<", "held.txt" or die $!; print F x\'', "perl"),
    Route("awk", 'awk \'BEGIN { print "x" > "held.txt" }\'', "awk"),
    Route("sort -o", "sort -r -o held.txt held.txt", "sort"),
    Route("shuf -o", "shuf -o held.txt other.txt", "shuf"),
    Route(
        "split", "cp held.txt src; split -n 1 src held.tx -a 1 --additional-suffix=t; mv held.txat held.txt"
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
]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Return a git repository whose file held.txt belongs to somebody else."""
    root = tmp_path.resolve() / "repo"
    (root / "folder").mkdir(parents=True)
    (root / "other.d").mkdir()
    (root / "folder" / "inner.txt").write_text("inner\n")
    (root / "other.txt").write_text("other\n")
    (root / HELD).write_text("before\n")

    def git(*args: str) -> None:
        who = ("-c", "user.name=T", "-c", "user.email=t@localhost")
        subprocess.run(["git", *who, *args], cwd=root, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "First")
    (root / HELD).write_text(CONTENT)
    git("commit", "-qam", "Second")
    return root


@pytest.mark.parametrize("route", ROUTES, ids=[route.name for route in ROUTES])
def test_a_refused_write_changes_nothing(repo: Path, route: Route) -> None:
    if shutil.which(route.needs) is None:
        pytest.skip(f"{route.needs} is not installed")
    held = os.fsencode(repo / HELD)
    before = (repo / HELD).stat()

    def refuse(target: Target) -> bool:
        return target.path == held or held.startswith(target.path + b"/")

    done = guarded.run(repo, ["/bin/sh", "-c", route.script], refuse)

    after = (repo / HELD).stat()
    assert (repo / HELD).read_text() == CONTENT, done.output
    assert (after.st_ino, after.st_nlink, after.st_mtime_ns) == (before.st_ino, 1, before.st_mtime_ns)
    assert done.unreadable == 0
    assert any(refuse(target) for target in done.seen), f"the route never came to the file: {done.output}"
