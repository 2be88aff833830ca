# The service on Fargate, behind a balancer that only the gateway reaches.
variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "image" {
  description = "Address and tag of the image."
  type        = string
}

variable "registry" {
  description = "ARN of the repository of the image."
  type        = string
}

variable "replicas" {
  description = "Number of containers."
  type        = number
}

variable "memory" {
  description = "Memory of each in MiB."
  type        = number
}

variable "network" {
  description = "Id of the VPC, and ids of at least two of its subnets."
  type        = object({ vpc = string, subnets = list(string) })
}

variable "store" {
  description = "What MODEL_STORE is set to, and the policy that lets it be read."
  type        = object({ address = string, read_policy = string })
}

variable "settings" {
  description = "Further settings of the service, by name."
  type        = map(string)
}

variable "secrets" {
  description = "ARNs of the secrets of Secrets Manager, by the name of the setting."
  type        = map(string)
}

variable "log_days" {
  description = "Days until a log line is deleted."
  type        = number
}

data "aws_region" "this" {}

data "aws_vpc" "this" {
  id = var.network.vpc
  lifecycle {
    precondition {
      condition     = var.image != "" && var.network.vpc != "" && length(var.network.subnets) > 1
      error_message = "Containers need an image and a network: { vpc = \"vpc-…\", subnets = [\"subnet-…\", \"subnet-…\"] }."
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_days
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.run.arn
  # The file system is not read only: Fargate gives a volume for /tmp to root, not to the image's user.
  container_definitions = jsonencode([{
    name         = "web"
    image        = var.image
    command      = ["serve"]
    essential    = true
    stopTimeout  = 35
    portMappings = [{ containerPort = 8080 }]
    environment = [for name, value in merge({
      PORT        = "8080"
      OPEN_ACCESS = "true" # the gateway has checked the key
      MODEL_STORE = var.store.address
    }, var.settings) : { name = name, value = value }]
    secrets = [for name, arn in var.secrets : { name = name, valueFrom = arn }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.this.name
        awslogs-stream-prefix = "web"
      }
    }
  }])
}

resource "aws_ecs_service" "this" {
  name                               = var.name
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = var.replicas
  launch_type                        = "FARGATE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 60
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets         = var.network.subnets
    security_groups = [aws_security_group.service.id]
    # The way to the registry where the network has no NAT gateway; nothing comes in by it.
    assign_public_ip = true
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "web"
    container_port   = 8080
  }
  depends_on = [aws_lb_listener.this]
}

output "integration" {
  value = {
    type = "HTTP_PROXY"
    uri  = "http://${aws_lb.this.dns_name}/{proxy}"
    link = aws_api_gateway_vpc_link.this.id
  }
}

output "alarms" {
  value = {
    unhealthy = {
      namespace  = "AWS/NetworkELB"
      metric     = "UnHealthyHostCount"
      statistic  = "Maximum"
      most       = 0
      dimensions = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.this.arn_suffix }
    }
  }
}
