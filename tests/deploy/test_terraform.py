"""The Terraform files give no more rights than needed, and name what there is."""

import ast
import re
import shutil
import subprocess
from dataclasses import fields
from typing import Any

import pytest

from engine.setting_values import message_secret, secret, signing_keys
from settings import Settings, _database
from tests.deploy.terraform import FILES, FOLDER, Block, blocks, resources
from tests.support.project import ROOT

#: A policy may say it of everything, since AWS has no narrower form of it.
WITHOUT_A_RESOURCE = {"ecr:GetAuthorizationToken"}


def statements() -> list[tuple[Block, dict[str, Any]]]:
    """List the statements of all policies, those of dynamic blocks too."""
    found = []
    for block in blocks("data"):
        if block.type == "aws_iam_policy_document":
            inner = block.content.get("dynamic", [])
            dynamic = [part for each in inner for part in each["statement"]["content"]]
            found += [(block, part) for part in [*block.content.get("statement", []), *dynamic]]
    return found


ALLOWED = [part for _, part in statements() if part.get("effect", "Allow") == "Allow"]


def test_policy_when_it_allows_names_each_action() -> None:
    actions = [action for part in ALLOWED for action in part["actions"]]

    assert len(ALLOWED) > 15
    assert [] == [action for action in actions if not re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action)]


def test_policy_when_it_allows_names_the_resource() -> None:
    # A prefix in a bucket, the streams of a log group: these end with a star.
    ours = re.compile(r"\$\{[\w.\[\]\"]+arn\}(/[\w${}./-]+/\*|:\*)?|[^*]+")
    for part in ALLOWED:
        named = part.get("resources", [])
        named = named if isinstance(named, list) else [named]
        if set(part["actions"]) <= WITHOUT_A_RESOURCE:
            assert named == ["*"]
        elif "principals" not in part:
            assert named and all(ours.fullmatch(resource) for resource in named), named


def test_policy_when_it_refuses_is_that_of_an_unencrypted_connection() -> None:
    refused = [part for _, part in statements() if part.get("effect") == "Deny"]

    assert ["aws:SecureTransport"] == [part["condition"][0]["variable"] for part in refused]


def test_roles_when_they_get_rights_get_none_of_aws_own_policies() -> None:
    assert [] == resources("aws_iam_role_policy_attachment", "aws_iam_policy_attachment")
    assert "arn:aws:iam::aws:policy" not in "".join(path.read_text() for path in FILES)


def test_bucket_is_closed_encrypted_and_versioned() -> None:
    bucket = resources("aws_s3_bucket")
    kinds = {block.type for block in blocks("resource") if block.module == "bucket"}
    closed = resources("aws_s3_bucket_public_access_block")[0].content

    assert ["bucket"] == [block.module for block in bucket]  # each is one of this module
    assert {
        "aws_s3_bucket_versioning", "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_policy",
    } <= kinds  # fmt: skip
    assert [True] * 4 == [value for key, value in closed.items() if key != "bucket"]


@pytest.mark.parametrize("kind", ["variable", "output"])
def test_words_for_users_are_described(kind: str) -> None:
    described = [block for block in blocks(kind) if kind == "variable" or block.module == "aws"]

    assert len(described) >= 7
    assert [] == [block.type for block in described if not block.content.get("description")]


def test_setting_that_holds_a_secret_is_refused_among_the_plain_ones() -> None:
    reads_a_secret = {secret, message_secret, signing_keys, _database}
    names = {field.name.upper() for field in fields(Settings)
             if field.metadata["read"] in reads_a_secret}  # fmt: skip
    (plain,) = [block for block in blocks("variable")
                if (block.module, block.type) == ("aws", "settings")]  # fmt: skip
    refused = re.search(r'regex\("(.+?)"', plain.content["validation"][0]["condition"])

    assert {"API_KEY", "DATABASE_URL", "SIGNING_KEY"} <= names
    assert refused
    for name in names | {"SHARED_REDIS"}:
        assert re.search(refused[1], name), name
    assert not re.search(refused[1], "DEFAULT_MODEL")


def test_setting_when_given_is_one_of_the_service() -> None:
    given = set(re.findall(r"^ +([A-Z][A-Z_]+) += ", "".join(
        (FOLDER / f"modules/{name}/main.tf").read_text() for name in ("function", "container")
    ), re.MULTILINE))  # fmt: skip

    assert {"OPEN_ACCESS", "MODEL_STORE"} <= given
    assert given <= {field.name.upper() for field in fields(Settings)}


def test_function_when_it_names_a_handler_finds_it_in_its_archive() -> None:
    service, lake = (block.content for block in resources("aws_lambda_function"))

    assert '"lambda_handler.handle"' in service["handler"]
    assert "deploy/aws/lambda_handler.py" in (FOLDER / "build_zip.sh").read_text()
    assert lake["handler"] == "${each.key}.handle"
    for path in (FOLDER / "lambda_handler.py", *(FOLDER / "lambda").glob("*.py")):
        defined = ast.parse(path.read_text()).body
        assert "handle" in {node.name for node in defined if isinstance(node, ast.FunctionDef)}
    assert ["clean", "collect"] == sorted(path.stem for path in (FOLDER / "lambda").glob("*.py"))


def test_function_when_it_runs_keeps_to_the_limits_of_aws() -> None:
    for block in resources("aws_lambda_function"):
        assert 0 < block.content["timeout"] <= 900
    service = resources("aws_lambda_function")[0].content
    (memory,) = [block.content for block in blocks("variable")
                 if block.type == "memory" and block.module == "aws"]  # fmt: skip
    offered = [int(word) for word in re.findall(r"\d+", memory["validation"][0]["condition"])]

    assert service["timeout"] <= 29  # the gateway waits no longer
    assert all(128 <= size <= 10240 for size in offered)
    assert all(size in range(1024, 4097, 1024) for size in offered)  # Fargate with half a CPU


def test_container_when_started_runs_a_role_of_the_image_on_its_port() -> None:
    text = (FOLDER / "modules/container/main.tf").read_text()
    start = (ROOT / "deploy/docker/start").read_text()
    function = resources("aws_lambda_function")[0].content["dynamic"][0]["image_config"]

    assert 'command      = ["serve"]' in text
    assert ["function"] == function["content"][0]["command"]
    assert ["/app/deploy/docker/start"] == function["content"][0]["entry_point"]
    for role in ("serve", "function"):
        assert re.search(rf"^{role}\)", start, re.MULTILINE)
    (target,) = resources("aws_lb_target_group")
    assert "/readyz" == target.content["health_check"][0]["path"]
    assert 8080 == target.content["port"]
    assert "containerPort = 8080" in text and re.search(r'PORT +[=] "8080"', text)


def test_columns_of_the_lake_are_those_that_the_model_takes() -> None:
    from jobs.sources import load_source
    from models import beers

    (columns,) = [block.content["default"] for block in blocks("variable")
                  if block.type == "lake_columns"]  # fmt: skip
    source = load_source(ROOT / "jobs/sources.toml", "beers")
    asked = [field for field in (*beers.fields, beers.target) if field.name not in source.derived]
    told = {field.name: "string" if field.kind == "identifier" else "double" for field in asked}

    assert {**told, "id": "bigint"} == columns


@pytest.mark.may_skip
@pytest.mark.skipif(
    shutil.which("terraform") is None,
    reason="terraform is not here, and no package registry has it: its own checks are left out",
)
def test_files_are_formatted_as_terraform_does() -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", FOLDER], capture_output=True, text=True
    )

    assert "" == done.stdout
    assert 0 == done.returncode
