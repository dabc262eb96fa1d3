"""Sessions in a shared checkout of a repository that is not like others: submodules, filters, sparse, own hooks."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.process.test_guard_session import AGENT, output, pipes, script

pytestmark = [pytest.mark.fleet, pytest.mark.process]


@pytest.fixture(params=["auto", "off"])
def shared(site, request):
    """A site whose sessions have a guard, or git's hooks alone."""
    site.configure(AGENT, guard={"mode": request.param, "wait": "0s"}, retry={"attempts": 1})
    return site


def subjects(site, *words: str) -> list[str]:
    return list(site.git("log", "--format=%s", *words).split())


def test_the_commit_of_a_submodule_is_nobodys_lease_and_that_of_its_place_is(shared, tmp_path):
    library = tmp_path / "library"
    shared.git("init", "-q", "-b", "main", str(library))
    (library / "lib.txt").write_text("one\n")
    shared.git("-C", str(library), "add", "-A")
    shared.git("-C", str(library), "commit", "-qm", "Begin")
    shared.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "vendor/lib")
    shared.git("commit", "-qm", "Library")
    pipes(shared, "held", "tried")
    script(shared, "first", "meet held; await tried", paths=["vendor/lib"])
    inside = "git -C vendor/lib fetch -q && git -C vendor/lib branch topic && echo inside"
    outside = 'git update-index --cacheinfo 160000,"$(git rev-parse HEAD)",vendor/lib; git commit -qm No; echo code $?'
    script(shared, "second", f"await held; {inside}; {outside}; meet tried")

    shared.until_idle(code=None)

    said = output(shared, "second")
    assert "inside" in said
    assert "vendor/lib: held by session" in said
    assert "code 128" in said
    assert subjects(shared, "-1") == ["Library"]


def test_what_a_content_filter_keeps_is_committed_as_its_pointer(shared):
    store = "mkdir -p .git/store && cat > .git/store/new && id=$(sha1sum < .git/store/new | cut -c1-40)"
    shared.git(
        "config", "filter.big.clean", f"{store} && mv .git/store/new .git/store/$id && echo pointer $id"
    )
    shared.git("config", "filter.big.smudge", "read -r _ id && cat .git/store/$id")
    shared.git("config", "filter.big.required", "true")
    shared.write(".gitattributes", "*.bin filter=big\n")
    shared.git("add", "-A")
    shared.git("commit", "-qm", "Filter")
    change = "printf 'large content' > a.bin; git add a.bin; git commit -qm One"
    again = "rm a.bin; git checkout -q -- a.bin; cat a.bin; git status --short -- a.bin"
    script(shared, "only", f"{change}; {again}")

    shared.until_idle()

    assert shared.git("show", "HEAD:a.bin").startswith("pointer ")
    assert output(shared, "only") == "large content"


def test_in_a_sparse_checkout_a_commit_is_judged_by_what_it_changes(shared):
    for name in ("in/a.txt", "out/b.txt"):
        shared.write(name, "one\n")
    shared.git("add", "-A")
    shared.git("commit", "-qm", "Two")
    shared.git("sparse-checkout", "set", "in")
    script(shared, "only", "echo two > in/a.txt; git commit -qam One; ls; git status --short", paths=["in/"])

    shared.until_idle()

    assert subjects(shared, "-1") == ["One"]
    assert shared.git("show", "--format=", "--name-only", "HEAD").split() == ["in/a.txt"]
    assert shared.git("show", "HEAD:out/b.txt") == "one\n"
    assert "out" not in output(shared, "only").split()


def test_own_hooks_in_a_configured_folder_run_around_the_gate(shared):
    for name in ("pre-commit", "commit-msg", "post-commit"):
        path = shared.write(
            f".husky/{name}", f'#!/usr/bin/env sh\n. "$(dirname -- "$0")/lib.sh"\nsay {name}\n'
        )
        path.chmod(0o755)
    shared.write(".husky/lib.sh", 'say() { echo "husky $1"; }\n')
    shared.git("add", "-A")
    shared.git("commit", "-qm", "Hooks")
    shared.git("config", "core.hooksPath", ".husky")
    script(shared, "only", "echo x > a.txt; git add a.txt; git commit -qm One; echo code $?")

    shared.until_idle()

    said = output(shared, "only").splitlines()
    assert said == [
        "code 0",
        "husky pre-commit",
        "husky commit-msg",
        "husky post-commit",
    ]  # standard error comes last
    assert "Leasehold-Task: only" in shared.git("log", "-1", "--format=%B")


def test_what_a_human_commits_meanwhile_is_not_held_against_the_session(shared):
    pipes(shared, "begun", "moved", "held", "over")
    script(shared, "owner", "meet held; await over", paths=["README.md"])
    script(
        shared,
        "only",
        "await held; echo x > a.txt; git add a.txt; meet begun; await moved; git commit -qm Mine -- a.txt; echo code $?; meet over",
    )
    supervisor = shared.start()
    (shared.root / ".leasehold/begun").read_text()
    shared.write("README.md", "a human was here\n")
    shared.git("commit", "-qm", "Human", "--", "README.md")
    (shared.root / ".leasehold/moved").write_text("\n")
    shared.wait_for("session.ended", task="only")
    shared.end(supervisor)

    assert "code 0" in output(shared, "only")
    assert subjects(shared, "-2") == ["Mine", "Human"]
    assert subprocess.run(["git", "fsck", "--strict"], cwd=shared.root, check=False).returncode == 0


def test_going_back_behind_what_a_human_committed_is_refused_while_another_holds_the_file(shared):
    pipes(shared, "begun", "moved", "held", "over")
    script(shared, "owner", "meet held; await over", paths=["README.md"])
    back = 'git update-ref refs/heads/main "$before"; echo code $?'
    script(
        shared,
        "only",
        f"await held; before=$(git rev-parse HEAD); meet begun; await moved; {back}; meet over",
    )
    supervisor = shared.start()
    (shared.root / ".leasehold/begun").read_text()
    shared.write("README.md", "a human was here\n")
    shared.git("commit", "-qm", "Human", "--", "README.md")
    (shared.root / ".leasehold/moved").write_text("\n")
    shared.wait_for("session.ended", task="only")
    shared.end(supervisor)

    said = output(shared, "only")
    assert "README.md: held by session" in said
    assert "code 0" not in said
    assert subjects(shared, "-1") == ["Human"]


def test_a_commit_waits_for_a_supervisor_that_comes_back(shared):
    pipes(shared, "begun", "down")
    script(shared, "only", "meet begun; await down; git commit -q --allow-empty -m Waited; echo code $?")
    supervisor = shared.start()
    (shared.root / ".leasehold/begun").read_text()
    shared.end(supervisor, signal.SIGKILL)
    (shared.root / ".leasehold/down").write_text("\n")
    again = shared.start()
    shared.wait_for("session.ended", task="only")
    shared.end(again)

    assert "code 0" in output(shared, "only")
    assert subjects(shared, "-1") == ["Waited"]
