# What a service needs on AWS. Choose how it runs by `run_on`: "function" (Lambda behind a
# gateway), "container" (Fargate behind a balancer and the same gateway), or "nothing" for the
# store and the lake alone.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60, < 7"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { project = var.name, stage = var.stage }
  }
}

locals {
  name = "${var.name}-${var.stage}"
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
  count        = var.run_on == "function" ? 1 : 0
  source       = "./modules/function"
  name         = local.name
  image        = var.image
  archive      = var.archive
  memory       = var.memory
  store_bucket = module.store.bucket
  store_rights = module.store.read_policy
  settings     = var.settings
  concurrency  = var.concurrency
  log_days     = var.log_days
}

module "container" {
  count        = var.run_on == "container" ? 1 : 0
  source       = "./modules/container"
  name         = local.name
  image        = var.image
  replicas     = var.replicas
  memory       = var.memory
  vpc          = var.vpc
  subnets      = var.subnets
  certificate  = var.certificate
  store_bucket = module.store.bucket
  store_rights = module.store.read_policy
  settings     = var.settings
  log_days     = var.log_days
}

module "gateway" {
  count               = var.run_on == "function" ? 1 : 0
  source              = "./modules/gateway"
  name                = local.name
  stage               = var.stage
  function            = module.function[0].name
  function_invoke_arn = module.function[0].invoke_arn
  requests_per_second = var.requests_per_second
}

module "lake" {
  count      = var.lake_source == "" ? 0 : 1
  source     = "./modules/lake"
  name       = local.name
  source_url = var.lake_source
  model      = var.lake_model
  columns    = var.lake_columns
  every      = var.lake_every
  archive    = "${path.module}/lambda/collect.zip"
  log_days   = var.log_days
}

module "watch" {
  source = "./modules/watch"
  name   = local.name
  email  = var.email
  run_on = var.run_on
  dimensions = {
    function  = { FunctionName = one(module.function[*].name) }
    container = { LoadBalancer = one(module.container[*].balancer) }
    nothing   = {}
  }[var.run_on]
  budget_usd = var.budget_usd
}
