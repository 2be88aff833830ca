"""Git as `make upgrade` uses it: commands, commits and trees."""

import os
import subprocess
import tempfile

#: The files of a commit: the path, and its mode, kind and digest.
Tree = dict[str, str]

#: The commit that an upgrade under way began at, the change that it applies, the commit that
#: ended the last one, and what the last undoing threw away. They belong to one work tree.
BEFORE, CHANGE, DONE, UNDONE = (
    f"refs/worktree/upgrade/{name}" for name in ("before", "change", "done", "undone")
)

_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")
_OPTIONS = ("-c", f"core.hooksPath={os.devnull}")
_NOBODY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "make upgrade"), ("EMAIL", "upgrade@localhost"))
}


class Stopped(Exception):
    """The upgrade cannot go on; the message says why, and what to do."""


def git(*arguments: str, text: str = "", **variables: str) -> str:
    """Run git, without hooks and over safe transports only.

    Parameters
    ----------
    text : str
        What git reads on its standard input.
    **variables : str
        Additions to git's environment.

    Returns
    -------
    str
        What git prints; bytes that are not UTF-8 survive as surrogates.

    Raises
    ------
    Stopped
        When git fails, with its complaint.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    ours = {"LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "file:https:ssh", "GIT_EDITOR": "true"}
    done = subprocess.run(  # noqa: S603
        ["git", *_OPTIONS, *arguments],  # noqa: S607
        env=inherited | ours | variables,
        input=text.encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip()
        raise Stopped(complaint or f"git {arguments[0]} failed")
    return done.stdout.decode("utf-8", "surrogateescape")


def paths(*arguments: str) -> list[str]:
    """List the paths that a git command prints with -z."""
    return [path for path in git(*arguments).split("\0") if path]


def commit_of(name: str) -> str | None:
    """Return the commit that a name stands for, or None."""
    try:
        return git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}").strip()
    except Stopped:
        return None


def text_of(revision: str, path: str) -> str | None:
    """Return the content of a file in a revision, or None where it is not there."""
    try:
        return git("cat-file", "blob", f"{revision}:{path}")
    except Stopped:
        return None


def tree_of(revision: str) -> Tree:
    """List the files of a revision."""
    lines = git("ls-tree", "-r", "-z", "--full-tree", revision).split("\0")
    return {path: entry for entry, _, path in (line.partition("\t") for line in lines if line)}


def blob_of(text: str) -> str:
    """Store a file's content; return its entry in a tree."""
    return f"100644 blob {git('hash-object', '-w', '--stdin', text=text).strip()}"


def commit_tree(tree: Tree, subject: str, *parents: str) -> str:
    """Store a tree as a commit that is on no branch; return its digest."""
    text = "".join(f"{entry}\t{path}\0" for path, entry in tree.items())
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        git("update-index", "-z", "--index-info", text=text, **index)
        written = git("write-tree", **index).strip()
    return _commit(written, subject, *parents)


def commit_index(subject: str, parent: str) -> str:
    """Store the index as a commit that is on no branch; return its digest."""
    return _commit(git("write-tree").strip(), subject, parent)


def set_references(*pairs: tuple[str, str | None]) -> None:
    """Point references at commits, or delete them: all or none."""
    lines = (f"update {name} {commit}" if commit else f"delete {name}" for name, commit in pairs)
    git("update-ref", "--stdin", text="".join(f"{line}\n" for line in lines))


def identity() -> dict[str, str]:
    """Return a made-up author for git's environment where the user has set none."""
    try:
        git("var", "GIT_AUTHOR_IDENT")
        git("var", "GIT_COMMITTER_IDENT")
    except Stopped:
        return _NOBODY
    return {}


def _commit(tree: str, subject: str, *parents: str) -> str:
    named = [word for parent in parents for word in ("-p", parent)]
    return git("commit-tree", tree, *named, text=subject, **_NOBODY).strip()
