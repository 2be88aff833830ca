"""Each kind of resource that Terraform makes is made on moto's server by AWS's own client.

Terraform itself does it in a rehearsal; this also runs where there is no Terraform. The words that
are given are those of the Terraform files.
"""

import io
import json
import zipfile
from typing import Any

import boto3
import pytest

from tests.deploy.terraform import blocks, resources
from tests.support.s3 import variables

pytestmark = pytest.mark.slow

ACCOUNT = "123456789012"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole",
     "Principal": {"Service": "lambda.amazonaws.com"}}
]})  # fmt: skip
RIGHTS = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::models/models/*"}
]})  # fmt: skip


def word(kind: str, *path: str | int) -> Any:
    """Return what the Terraform files say of a kind, at a path."""
    found: Any = resources(kind)[0].content
    for step in path:
        found = found[step]
    return found


class Account:
    """An account on moto's server; it notes each kind that was made."""

    def __init__(self, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {**variables(port), "AWS_DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        self.made: set[str] = set()
        self._clients: dict[str, Any] = {}

    def make(self, kind: str, service: str, operation: str, **words: Any) -> Any:
        """Make a resource; return the answer of AWS."""
        self.made.add(f"aws_{kind}")
        return getattr(self.client(service), operation)(**words)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service)
        return self._clients[service]


def test_every_kind_of_resource_can_be_made(s3: int, monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(s3, monkeypatch)

    make_store(account)
    role = account.make("iam_role", "iam", "create_role", RoleName="run",
                        AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]  # fmt: skip
    make_rights(account)
    function = make_function(account, role)
    network = make_network(account)
    make_gateway(account, function, network["balancer"])
    make_containers(account, role, network)
    make_lake(account, role, function)
    make_watch(account)

    assert {block.type for block in blocks("resource")} == account.made


def make_store(account: Account) -> None:
    make, name = account.make, "pronto-dev-models"
    make("s3_bucket", "s3", "create_bucket", Bucket=name)
    closed = {"BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True,
              "RestrictPublicBuckets": True}  # fmt: skip
    make("s3_bucket_public_access_block", "s3", "put_public_access_block", Bucket=name,
         PublicAccessBlockConfiguration=closed)  # fmt: skip
    kind = "s3_bucket_server_side_encryption_configuration"
    rule = word(f"aws_{kind}", "rule", 0, "apply_server_side_encryption_by_default", 0)
    make(kind, "s3", "put_bucket_encryption", Bucket=name, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": rule["sse_algorithm"]}}]
    })  # fmt: skip
    status = word("aws_s3_bucket_versioning", "versioning_configuration", 0, "status")
    make("s3_bucket_versioning", "s3", "put_bucket_versioning", Bucket=name,
         VersioningConfiguration={"Status": status})  # fmt: skip
    make("s3_bucket_policy", "s3", "put_bucket_policy", Bucket=name, Policy=RIGHTS)
    registry = {"repositoryName": "pronto-dev"}
    mutability = word("aws_ecr_repository", "image_tag_mutability")
    make("ecr_repository", "ecr", "create_repository", imageTagMutability=mutability, **registry)
    rules = {"rules": [{"rulePriority": 1, "action": {"type": "expire"}, "selection": {
        "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 20}}]}  # fmt: skip
    make("ecr_lifecycle_policy", "ecr", "put_lifecycle_policy",
         lifecyclePolicyText=json.dumps(rules), **registry)  # fmt: skip


def make_rights(account: Account) -> None:
    account.make("iam_role_policy", "iam", "put_role_policy", RoleName="run", PolicyName="store",
                 PolicyDocument=RIGHTS)  # fmt: skip
    account.make("iam_policy", "iam", "create_policy", PolicyName="train", PolicyDocument=RIGHTS)
    account.make("cloudwatch_log_group", "logs", "create_log_group", logGroupName="/ecs/pronto")


def make_function(account: Account, role: str) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("lambda_handler.py", "")
    function = account.make(
        "lambda_function", "lambda", "create_function", FunctionName="pronto-dev", Role=role,
        Runtime="python3.11", Handler="lambda_handler.handle", Code={"ZipFile": archive.getvalue()},
        Timeout=word("aws_lambda_function", "timeout"), MemorySize=1024,
    )  # fmt: skip
    permission = resources("aws_lambda_permission")[0].content
    account.make("lambda_permission", "lambda", "add_permission", FunctionName="pronto-dev",
                 StatementId="gateway", Action=permission["action"],
                 Principal=permission["principal"])  # fmt: skip
    return str(function["FunctionArn"])


def make_network(account: Account) -> dict[str, Any]:
    make = account.make
    subnets = account.client("ec2").describe_subnets()["Subnets"][:2]
    vpc, ids = subnets[0]["VpcId"], [subnet["SubnetId"] for subnet in subnets]
    group = make("security_group", "ec2", "create_security_group", GroupName="pronto-service",
                 Description="Lets the balancer in", VpcId=vpc)["GroupId"]  # fmt: skip
    ways = [{"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080,
             "UserIdGroupPairs": [{"GroupId": group}]}]  # fmt: skip
    make("vpc_security_group_ingress_rule", "ec2", "authorize_security_group_ingress",
         GroupId=group, IpPermissions=ways)  # fmt: skip
    make("vpc_security_group_egress_rule", "ec2", "authorize_security_group_egress",
         GroupId=group, IpPermissions=ways)  # fmt: skip
    balancer = make("lb", "elbv2", "create_load_balancer", Name="pronto-dev", Subnets=ids,
                    Type=word("aws_lb", "load_balancer_type"), Scheme="internal")  # fmt: skip
    arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    asked = word("aws_lb_target_group", "health_check", 0)
    target = make(
        "lb_target_group", "elbv2", "create_target_group", Name="pronto-dev", VpcId=vpc, Port=8080,
        Protocol=word("aws_lb_target_group", "protocol"), TargetType="ip",
        HealthCheckProtocol=asked["protocol"], HealthCheckPath=asked["path"],
        HealthCheckIntervalSeconds=asked["interval"],
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    make("lb_listener", "elbv2", "create_listener", LoadBalancerArn=arn, Port=80,
         Protocol=word("aws_lb_listener", "protocol"),
         DefaultActions=[{"Type": "forward", "TargetGroupArn": target}])  # fmt: skip
    return {"balancer": arn, "target": target, "group": group, "subnets": ids}


def make_gateway(account: Account, function: str, balancer: str) -> None:
    def make(kind: str, operation: str, **words: Any) -> Any:
        return account.make(f"api_gateway_{kind}", "apigateway", operation, **words)

    gateway = make("rest_api", "create_rest_api", name="pronto-dev", binaryMediaTypes=word(
        "aws_api_gateway_rest_api", "binary_media_types"))["id"]  # fmt: skip
    (root,) = account.client("apigateway").get_resources(restApiId=gateway)["items"]
    way = make("resource", "create_resource", restApiId=gateway, parentId=root["id"],
               pathPart=word("aws_api_gateway_resource", "path_part"))["id"]  # fmt: skip
    place = {"restApiId": gateway, "resourceId": way, "httpMethod": "ANY"}
    make("method", "put_method", authorizationType="NONE", apiKeyRequired=True, **place)
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    make("integration", "put_integration", type="AWS_PROXY", integrationHttpMethod="POST",
         uri=uri, **place)  # fmt: skip
    make("vpc_link", "create_vpc_link", name="pronto-dev", targetArns=[balancer])
    deployment = make("deployment", "create_deployment", restApiId=gateway)["id"]
    stage = {"restApiId": gateway, "stageName": "dev"}
    make("stage", "create_stage", deploymentId=deployment, **stage)
    key = make("api_key", "create_api_key", name="pronto-dev-first")["id"]
    plan = make("usage_plan", "create_usage_plan", name="pronto-dev",
                apiStages=[{"apiId": gateway, "stage": "dev"}],
                throttle={"rateLimit": 100.0, "burstLimit": 200})["id"]  # fmt: skip
    make("usage_plan_key", "create_usage_plan_key", usagePlanId=plan, keyId=key, keyType="API_KEY")


def make_containers(account: Account, role: str, network: dict[str, Any]) -> None:
    make = account.make
    make("ecs_cluster", "ecs", "create_cluster", clusterName="pronto-dev")
    make("ecs_task_definition", "ecs", "register_task_definition", family="pronto-dev",
         networkMode=word("aws_ecs_task_definition", "network_mode"), cpu="512", memory="1024",
         requiresCompatibilities=["FARGATE"], executionRoleArn=role, taskRoleArn=role,
         containerDefinitions=[{"name": "web", "image": "pronto-dev:1", "command": ["serve"],
                                "portMappings": [{"containerPort": 8080}]}])  # fmt: skip
    make("ecs_service", "ecs", "create_service", cluster="pronto-dev", serviceName="pronto-dev",
         taskDefinition="pronto-dev", desiredCount=2,
         launchType=word("aws_ecs_service", "launch_type"),
         networkConfiguration={"awsvpcConfiguration": {
             "subnets": network["subnets"], "securityGroups": [network["group"]]}},
         loadBalancers=[{"targetGroupArn": network["target"], "containerName": "web",
                         "containerPort": 8080}])  # fmt: skip


def make_lake(account: Account, role: str, function: str) -> None:
    make = account.make
    make("kinesis_stream", "kinesis", "create_stream", StreamName="pronto-dev-records",
         ShardCount=word("aws_kinesis_stream", "shard_count"))  # fmt: skip
    (every,) = [block.content["default"] for block in blocks("variable")
                if block.type == "lake_every"]  # fmt: skip
    make("cloudwatch_event_rule", "events", "put_rule", Name="collect", ScheduleExpression=every)
    make("cloudwatch_event_target", "events", "put_targets", Rule="collect",
         Targets=[{"Id": "collect", "Arn": function}])  # fmt: skip
    kind = "aws_kinesis_firehose_delivery_stream"
    delivery = word(kind, "extended_s3_configuration", 0)
    make("kinesis_firehose_delivery_stream", "firehose", "create_delivery_stream",
         DeliveryStreamName="raw", DeliveryStreamType="KinesisStreamAsSource",
         KinesisStreamSourceConfiguration={"RoleARN": role, "KinesisStreamARN":
             f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/pronto-dev-records"},
         ExtendedS3DestinationConfiguration={
             "RoleARN": role, "BucketARN": "arn:aws:s3:::pronto-dev-models",
             "Prefix": delivery["prefix"], "ErrorOutputPrefix": delivery["error_output_prefix"],
             "BufferingHints": {"SizeInMBs": 5,
                                "IntervalInSeconds": delivery["buffering_interval"]},
             "CompressionFormat": delivery["compression_format"]})  # fmt: skip
    make("glue_catalog_database", "glue", "create_database", DatabaseInput={"Name": "pronto_dev"})
    table = resources("aws_glue_catalog_table")[0].content
    layout = table["storage_descriptor"][0]
    library = layout["ser_de_info"][0]["serialization_library"]
    make("glue_catalog_table", "glue", "create_table", DatabaseName="pronto_dev", TableInput={
        "Name": "beers", "TableType": table["table_type"], "Parameters": table["parameters"],
        "PartitionKeys": [{"Name": "day", "Type": "string"}], "StorageDescriptor": {
            "InputFormat": layout["input_format"], "OutputFormat": layout["output_format"],
            "SerdeInfo": {"SerializationLibrary": library},
        }})  # fmt: skip
    make("athena_workgroup", "athena", "create_work_group", Name="pronto-dev")


def make_watch(account: Account) -> None:
    make = account.make
    topic = make("sns_topic", "sns", "create_topic", Name="pronto-dev-alarms")["TopicArn"]
    make("sns_topic_subscription", "sns", "subscribe", TopicArn=topic, Endpoint="you@example.com",
         Protocol=word("aws_sns_topic_subscription", "protocol"))  # fmt: skip
    alarm = word("aws_cloudwatch_metric_alarm")
    make("cloudwatch_metric_alarm", "cloudwatch", "put_metric_alarm", AlarmName="server_errors",
         Namespace="AWS/ApiGateway", MetricName="5XXError", Statistic="Sum", Threshold=10.0,
         Period=alarm["period"], EvaluationPeriods=alarm["evaluation_periods"],
         ComparisonOperator=alarm["comparison_operator"], AlarmActions=[topic])  # fmt: skip
    budget = word("aws_budgets_budget")
    make("budgets_budget", "budgets", "create_budget", AccountId=ACCOUNT, Budget={
        "BudgetName": "pronto-dev", "BudgetType": budget["budget_type"],
        "TimeUnit": budget["time_unit"],
        "BudgetLimit": {"Amount": "20", "Unit": budget["limit_unit"]}})  # fmt: skip
