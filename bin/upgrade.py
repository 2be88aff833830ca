"""Bring a newer release of the template into this project.

    make upgrade from=ADDRESS version=0.7.0    merge a release, check it, commit it
    make upgrade from=ADDRESS look=1           only list what would change
    make upgrade continue=1                    go on after a conflict or a failed check
    make upgrade undo=1                        go back to where the upgrade began

What differs between two tags of the source, this project's release and the
wanted one, is applied to the project as one change, whatever the history of
either. Two references mark an upgrade that is under way, so that one that was
killed can go on or be undone. Needs git and Python, and no package.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from changes import LOCK, plan
from release import REPLACED, TAGS, check_contract, choose
from repository import (
    BEFORE,
    CHANGE,
    DONE,
    UNDONE,
    Stopped,
    commit_index,
    commit_of,
    commit_tree,
    git,
    identity,
    paths,
    set_references,
    text_of,
    tree_of,
)

PYTHON = ".venv/bin/python"
EXPORT = (
    ("Installing pipenv", ["bin/setup", "pipenv"]),
    ("Writing the lock's digest", [".setup/pipenv/bin/python", "bin/lock.py", "--export"]),
)
CHECKS = (
    ("Installing the packages", ["bin/setup"]),
    ("Checking that the packages go together", [PYTHON, "-m", "pip", "check"]),
    ("Loading the application", [PYTHON, "-m", "gunicorn", "--check-config", "app:app"]),
    ("Asking every stored version its worked example", [PYTHON, "test_model.py", "--all"]),
)
ON_OR_BACK = (
    "To go on, run: make upgrade continue=1\nTo go back, run: make upgrade undo=1\n"
    "While make itself cannot run: python3 bin/upgrade.py --continue, or --undo"
)


def check_project() -> None:
    """Refuse a project in which an upgrade could lose something."""
    try:
        top = git("rev-parse", "--show-toplevel").rstrip("\n")
    except Stopped as error:
        raise Stopped(f'{error}\nMake one: git init; git add -A; git commit -m "Start"') from None
    if not Path(top).samefile("."):
        raise Stopped(f"this folder is part of the repository {top}: give it one of its own")
    if not commit_of("HEAD"):
        raise Stopped('nothing is committed here: git add -A; git commit -m "Start the project"')
    if commit_of(BEFORE):
        raise Stopped(f"an upgrade is under way already.\n{ON_OR_BACK}")
    if any(map(commit_of, ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD"))):
        raise Stopped("a merge, cherry-pick, revert or rebase is under way: finish it first")
    changed = git("status", "--porcelain", "--untracked-files=no").splitlines()
    changed += git("status", "--porcelain", "-uall", "--", *REPLACED).splitlines()
    if changed:
        listed = "".join(f"  {line}\n" for line in sorted(set(changed)))
        raise Stopped(f"some changes are not committed:\n{listed}Commit them, or: git stash -u")


def start(options: argparse.Namespace) -> None:
    """Merge a release into a clean project, then go on to the checks."""
    check_project()
    old, new = choose(options.source, options.version)
    if old.version == new.version:
        print(f"This project is release {old.version} already, and nothing newer was asked for")
        return
    found = plan(old, new)
    base = commit_tree(found.base, f"Release {old.version}")
    change = commit_tree(found.change, f"Upgrade to {new.version}", base)
    print("\n".join([f"From {old.version} to {new.version}", *found.remarks]), flush=True)
    if options.look:
        print(git("diff", "--stat=100", base, change), end="")
    check_contract(old, new, options.contract)
    if options.look:
        return
    set_references((BEFORE, commit_of("HEAD")), (CHANGE, change))
    try:
        git("cherry-pick", "--no-commit", change, **identity())
    except Stopped:
        conflicts = sorted({line.partition("\t")[2] for line in paths("ls-files", "-u", "-z")})
        if not conflicts:
            undo()
            raise
        raise Stopped(_conflicts(conflicts)) from None
    finish(checks=options.checks)


def _conflicts(found: list[str]) -> str:
    listed = "".join(f"  {path}\n" for path in found)
    return (
        f"these files were changed here and by the release in the same place:\n{listed}"
        "In each, your lines stand below <<<<<<< HEAD and the release's below =======: keep what "
        f"is right and delete the marks.\n{ON_OR_BACK}"
    )


def go_on(options: argparse.Namespace) -> None:
    """Check and commit an upgrade whose conflicts were resolved by hand."""
    before = commit_of(BEFORE)
    if not before:
        raise Stopped("no upgrade is under way: begin one with make upgrade from=ADDRESS")
    if commit_of("HEAD") != before and commit_of("HEAD^") != before:
        raise Stopped(_elsewhere(before))
    marked = [
        path
        for path in paths("diff", "--name-only", "-z", before)
        if not path.startswith(REPLACED)
        and Path(path).is_file()
        and re.search(rb"^<<<<<<< ", Path(path).read_bytes(), re.MULTILINE)
    ]
    if marked:
        raise Stopped(_conflicts(marked))
    finish(checks=options.checks)


def _elsewhere(before: str) -> str:
    return (
        f"the upgrade under way began at {before[:9]}, which is no longer checked out: return to "
        f"it, or forget the upgrade with: git update-ref -d {BEFORE}"
    )


def finish(*, checks: bool) -> None:
    """Run the checks, and commit what was merged when they pass."""
    subject = git("log", "-1", "--format=%s", CHANGE).strip()
    tag = f"{TAGS}/v{subject.rpartition(' ')[2]}"
    if any(_is_merged(name, tag) for name in ("Pipfile", LOCK)):
        run(*EXPORT)
    if checks:
        run(*CHECKS)
    git("add", "--update")
    if git("status", "--porcelain", "--untracked-files=no"):
        git("commit", "--quiet", "--message", subject, **identity())
    done = commit_of("HEAD") or ""
    set_references((DONE, done), (BEFORE, None), (CHANGE, None))
    print(f"{subject}: done, as commit {done[:9]}. Run make test before you deploy it.\n"
          "To go back, run: make upgrade undo=1")  # fmt: skip


def _is_merged(name: str, tag: str) -> bool:
    path = Path(name)
    text = path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else None
    return text not in (None, text_of(BEFORE, name), text_of(tag, name))


def run(*steps: tuple[str, list[str]]) -> None:
    """Run commands one after another; stop at the first that fails."""
    for title, command in steps:
        print(title, flush=True)
        if subprocess.run(command, check=False).returncode:  # noqa: S603
            raise Stopped(
                f"{' '.join(command)} failed, see above. The release is merged and not committed: "
                f"change your files so that it passes.\n{ON_OR_BACK}\n"
                "To commit it as it is, run: make upgrade continue=1 checks=no"
            )


def undo() -> None:
    """Go back to where the upgrade under way, or else the last one, began."""
    before, change, done = (commit_of(name) for name in (BEFORE, CHANGE, DONE))
    if not before:
        if not done:
            raise Stopped("there is no upgrade to undo")
        revert(done)
    elif commit_of("HEAD") == before:
        reset(before, change or before)
    elif commit_of("HEAD^") == before:  # committed by hand, or killed just after the commit
        revert("HEAD")
    else:
        raise Stopped(_elsewhere(before))


def reset(before: str, change: str) -> None:
    """Throw away an upgrade that is not committed, and what was changed by hand since."""
    git("add", "--update")
    thrown = commit_index("What make upgrade undo=1 threw away", before)
    added = tree_of(change).keys() - tree_of(before).keys()
    git("reset", "--quiet", "--hard", before)
    for path in filter(os.path.lexists, added):  # written by a git that was killed
        Path(path).unlink()
    set_references((UNDONE, thrown), (BEFORE, None), (CHANGE, None))
    print(f"Back at {before[:9]}. What was thrown away is kept as {UNDONE}")


def revert(name: str) -> None:
    """Undo a committed upgrade by a commit of its own, which also works once it is pushed."""
    commit = commit_of(name) or ""
    if git("status", "--porcelain", "--untracked-files=no"):
        raise Stopped("some changes are not committed: commit them, or put them away: git stash")
    if git("rev-list", "--max-count=1", commit, "^HEAD"):
        raise Stopped(f"the last upgrade, {commit[:9]}, is not on this branch: check out the one "
                      "that has it")  # fmt: skip
    try:
        git("revert", "--no-edit", commit, **identity())
    except Stopped:
        git("revert", "--abort")
        raise Stopped(
            "later commits changed the same lines as the upgrade: resolve what "
            f"git revert {commit[:9]} marks, then run git revert --continue"
        ) from None
    set_references((DONE, None), (BEFORE, None), (CHANGE, None))
    print(f"Reverted {commit[:9]}: the files are as they were before the upgrade")


def main(arguments: list[str]) -> int:
    """Upgrade, go on or undo; give the exit status."""
    parser = argparse.ArgumentParser(description="Bring a newer release of the template.")
    parser.add_argument("--from", dest="source", default="", help="folder, bundle or address")
    parser.add_argument("--version", default="", help="the release, by default the newest")
    parser.add_argument("--contract", default="", help="the contract number that you agree to")
    parser.add_argument("--look", action="store_true", help="only list what would change")
    parser.add_argument("--continue", dest="goes_on", action="store_true", help="go on")
    parser.add_argument("--undo", action="store_true", help="go back")
    parser.add_argument("--no-checks", dest="checks", action="store_false", help="run no check")
    options = parser.parse_args(arguments)
    os.chdir(Path(__file__).parent.parent)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        if options.undo:
            undo()
        else:
            (go_on if options.goes_on else start)(options)
    except (Stopped, OSError) as error:
        print(f"upgrade: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nupgrade: interrupted.\n{ON_OR_BACK}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
