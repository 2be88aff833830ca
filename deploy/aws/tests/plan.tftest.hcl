# terraform test: what is planned for each way to run, with a provider that asks nobody.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\": \"2012-10-17\", \"Statement\": []}" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
}

variables {
  stage = "dev"
  email = "you@example.com"
  image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/pronto-dev:1"
}

run "function" {
  command = plan
  assert {
    condition     = module.function[0].name == "pronto-dev"
    error_message = "The function bears the name and the stage."
  }
  assert {
    condition     = length(module.container) == 0 && length(module.lake) == 0
    error_message = "A function needs neither containers nor a lake."
  }
}

run "container" {
  command = plan
  variables {
    run_on      = "container"
    vpc         = "vpc-1"
    subnets     = ["subnet-1", "subnet-2"]
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }
  assert {
    condition     = length(module.function) == 0 && length(module.gateway) == 0
    error_message = "A container needs no function."
  }
}

run "lake" {
  command = plan
  variables {
    run_on      = "nothing"
    lake_source = "https://api.example.com/v2/beers/random"
  }
  assert {
    condition     = output.address == "nothing runs"
    error_message = "A lake alone has no address."
  }
}

run "wrong_stage" {
  command = plan
  variables { stage = "prod" }
  expect_failures = [var.stage]
}
