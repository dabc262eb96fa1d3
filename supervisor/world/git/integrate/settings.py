"""How git is to behave where it integrates: it asks nobody, and what it writes is durable before a branch moves."""

from __future__ import annotations

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError, configuration, git

_CONFIG = {
    "advice.detachedHead": "false",
    "commit.gpgSign": "false",  # nobody is there to type a passphrase
    "core.fsync": "committed,loose-object,reference",
    "core.fsyncMethod": "batch",
    "core.quotePath": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "merge.verifySignatures": "false",
    "rebase.autoSquash": "false",
    "rebase.autoStash": "false",
    "rebase.missingCommitsCheck": "ignore",
    "rebase.rebaseMerges": "false",
    "rebase.updateRefs": "false",
    "rerere.enabled": "false",
    "submodule.recurse": "false",
}
_NOBODY = {"GIT_COMMITTER_NAME": "Leasehold", "GIT_COMMITTER_EMAIL": "leasehold@localhost"}
_AUTHOR = {"GIT_AUTHOR_NAME": "Leasehold", "GIT_AUTHOR_EMAIL": "leasehold@localhost"}


async def environment(repo: Repository) -> dict[str, str]:
    """Return the variables for git; with an identity where the configuration has none."""
    variables = configuration(_CONFIG.items()) | {
        "GIT_EDITOR": "true",
        "GIT_SEQUENCE_EDITOR": "true",
        "GIT_MERGE_AUTOEDIT": "no",
    }
    for role, names in (("COMMITTER", _NOBODY), ("AUTHOR", _AUTHOR)):
        try:
            await git(repo.root, "-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT")
        except GitError:
            variables |= names
    return variables
