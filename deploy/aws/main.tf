# What the service needs on AWS. run_on says what runs it: a function (Lambda) or containers
# (Fargate), both behind a gateway that checks keys; or nothing, for the registry, the store and
# the lake alone.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.60"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags { tags = { service = local.name } }
}

locals {
  name   = "${var.name}-${var.stage}"
  python = trimspace(file("${path.module}/../../.python-version"))
  runs   = concat(module.function, module.container)
}

module "registry" {
  source = "./modules/registry"
  name   = local.name
}

module "store" {
  source = "./modules/store"
  name   = local.name
}

module "function" {
  count    = var.run_on == "function" ? 1 : 0
  source   = "./modules/function"
  name     = local.name
  image    = var.image
  archive  = "${path.module}/service.zip"
  python   = local.python
  memory   = var.memory
  store    = module.store
  settings = var.settings
  log_days = var.log_days
}

module "container" {
  count    = var.run_on == "container" ? 1 : 0
  source   = "./modules/container"
  name     = local.name
  image    = var.image
  registry = module.registry.arn
  replicas = var.replicas
  memory   = var.memory
  network  = var.network
  store    = module.store
  settings = var.settings
  secrets  = var.secrets
  log_days = var.log_days
}

module "gateway" {
  count               = var.run_on == "nothing" ? 0 : 1
  source              = "./modules/gateway"
  name                = local.name
  stage               = var.stage
  integration         = local.runs[0].integration
  requests_per_second = var.requests_per_second
}

resource "aws_lambda_permission" "gateway" {
  count         = var.run_on == "function" ? 1 : 0
  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = module.function[0].name
  principal     = "apigateway.amazonaws.com"
  source_arn    = module.gateway[0].source_arn
}

module "lake" {
  count      = var.lake_source == "" ? 0 : 1
  source     = "./modules/lake"
  name       = local.name
  source_url = var.lake_source
  table      = var.lake_table
  columns    = var.lake_columns
  every      = var.lake_every
  archive    = "${path.module}/lake.zip"
  python     = local.python
  log_days   = var.log_days
}

module "watch" {
  source     = "./modules/watch"
  name       = local.name
  email      = var.email
  budget_usd = var.budget_usd
  alarms     = merge(concat(module.gateway, local.runs, module.lake)[*].alarms...)
}
