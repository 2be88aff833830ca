"""The releases of the template: where they come from, and which may replace which."""

import re
from typing import NamedTuple

from repository import Stopped, Tree, git, text_of

#: Replaced as a whole; only the template changes them.
REPLACED = ("engine/", "persistence/")

#: Where the tags of the source are kept, apart from this project's own.
TAGS = "refs/upgrade"

_FETCH = ("--quiet", "--prune", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")


class Release(NamedTuple):
    """What engine/VERSION says."""

    version: str
    contract: int  #: raised when the files of a user have to change

    @property
    def tag(self) -> str:
        """The reference that the release has once it is fetched."""
        return f"{TAGS}/v{self.version}"


def release_of(revision: str) -> Release:
    """Read engine/VERSION in a revision."""
    text = text_of(revision, "engine/VERSION") or ""
    found = re.fullmatch(r"release (\d+\.\d+\.\d+)\ncontract (\d+)\n?", text)
    if not found:
        raise Stopped(
            f"engine/VERSION of {revision.removeprefix(f'{TAGS}/')} does not name a release and a "
            'contract: commit two lines there, such as "release 0.6.0" and "contract 1"'
        )
    return Release(found[1], int(found[2]))


def check_source(source: str) -> None:
    """Refuse an address that is an option, runs a program or is not encrypted."""
    kinds = "a folder, a bundle, or an address that begins with https:// or ssh://"
    if not source or source[0] == "-" or "\n" in source:
        raise Stopped(f"from={source} is not an address: give {kinds}")
    scheme = re.match(r"([A-Za-z0-9+.-]+):(//|:)", source)
    if scheme and (scheme[2] == ":" or scheme[1].lower() not in ("file", "https", "ssh")):
        raise Stopped(f"from={source} runs a program or is not encrypted: give {kinds}")


def fetch(source: str) -> list[str]:
    """Fetch every release of a source; return their versions, oldest first."""
    check_source(source)
    try:
        git("fetch", *_FETCH, "--", source, f"+refs/tags/v*:{TAGS}/v*")
    except Stopped as error:
        raise Stopped(
            f"{error}\n{source} cannot be fetched: give a git repository that has the releases as "
            "tags, as a folder, a bundle or an address"
        ) from None
    names = git("for-each-ref", "--format=%(refname:lstrip=2)", TAGS).split()
    return sorted((one[1:] for one in names if re.fullmatch(r"v\d+\.\d+\.\d+", one)), key=_order)


def choose(source: str, version: str) -> tuple[Release, Release]:
    """Fetch from a source; return this project's release and the one to upgrade to.

    Parameters
    ----------
    version : str
        The wanted one, or "" for the newest.
    """
    here = release_of("HEAD")
    versions = fetch(source)
    listed = ", ".join(versions) or "none"
    if here.version not in versions:
        raise Stopped(
            f"this project is release {here.version}, and {source} has no tag v{here.version} "
            f"(its releases: {listed}): give the source that this project came from"
        )
    wanted = version.removeprefix("v") or versions[-1]
    if wanted not in versions:
        raise Stopped(f"version {wanted} is not a release of {source}: choose one of {listed}")
    if _order(wanted) < _order(here.version):
        raise Stopped(f"version {wanted} is older than {here.version}, which is here: choose a "
                      f"newer one of {listed}")  # fmt: skip
    for one in {here.version, wanted}:
        if (named := release_of(f"{TAGS}/v{one}").version) != one:
            raise Stopped(f"the tag v{one} of {source} holds release {named}: tell its owner")
    return here, release_of(f"{TAGS}/v{wanted}")


def check_unchanged(base: Tree, here: Tree, release: Release) -> None:
    """Refuse when a file that is replaced is not as the release brought it."""
    changed = sorted(
        path
        for path in base.keys() | here.keys()
        if path.startswith(REPLACED) and base.get(path) != here.get(path)
    )
    if not changed:
        return
    both = " ".join(REPLACED)
    raise Stopped(
        f"an upgrade replaces {' and '.join(REPLACED)}, and these files were changed here:\n"
        + "".join(f"  {path}\n" for path in changed)
        + "Move each change to a file of your own if you can. Otherwise keep it as a patch:\n"
        f"  git diff --binary {release.tag} HEAD -- {both} > ../engine.patch\n"
        f"  git restore --source={release.tag} --staged --worktree -- {both}\n"
        f'  git commit -m "Restore the engine of {release.version}"\n'
        "Then run the upgrade again, and apply the patch to what it brought:\n"
        "  git apply --3way ../engine.patch"
    )


def check_contract(here: Release, new: Release, agreed: str) -> None:
    """Refuse a raised contract until the user has given its number."""
    if new.contract <= here.contract or agreed == str(new.contract):
        return
    page = text_of(new.tag, "docs/how-to/upgrade.md") or ""
    sections = re.findall(r"^### Contract (\d+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    asked = [
        f"Contract {number}: {text.strip()}\n\n"
        for number, text in sections
        if here.contract < int(number) <= new.contract
    ]
    text = "".join(asked) or "Its CHANGELOG.md says which.\n\n"
    raise Stopped(
        f"release {new.version} has contract {new.contract} and this project {here.contract}, so "
        f"some files of your own have to change.\n\n{text}Nothing is merged yet. To merge the "
        f"release, and change them then, add contract={new.contract} to the command"
    )


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
