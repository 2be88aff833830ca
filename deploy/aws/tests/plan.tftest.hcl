# `terraform test`: what is planned for each way to run. No account of AWS is asked.
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
  mock_data "aws_vpc" {
    defaults = { cidr_block = "10.0.0.0/16" }
  }
}

variables {
  stage = "dev"
  email = "you@example.com"
  image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/pronto-dev:1"
}

run "nothing" {
  command = plan
  assert {
    condition     = output.address == null && length(module.lake) == 0
    error_message = "At first there are a registry and a store."
  }
}

run "function" {
  command = plan
  variables { run_on = "function" }
  assert {
    condition     = module.function[0].name == "pronto-dev" && length(module.gateway) == 1
    error_message = "The function bears the name and the stage, and has a gateway."
  }
  assert {
    condition     = length(module.container) == 0
    error_message = "A function needs no containers."
  }
}

run "function_of_an_archive" {
  command = plan
  variables {
    run_on = "function"
    image  = ""
  }
  assert {
    condition     = module.function[0].name == "pronto-dev"
    error_message = "The archive is enough."
  }
}

run "container" {
  command = plan
  variables {
    run_on   = "container"
    network  = { vpc = "vpc-1", subnets = ["subnet-1", "subnet-2"] }
    secrets  = { DATABASE_URL = "arn:aws:secretsmanager:us-east-1:123456789012:secret:log" }
    settings = { DEFAULT_MODEL = "beers" }
  }
  assert {
    condition     = length(module.function) == 0 && length(module.gateway) == 1
    error_message = "Containers have a gateway and no function."
  }
}

run "lake" {
  command = plan
  variables { lake_source = "https://api.example.com/v2/beers/random" }
  assert {
    condition     = module.lake[0].stream == "pronto-dev-records"
    error_message = "The lake has a stream."
  }
}

run "wrong_words" {
  command = plan
  variables {
    stage       = "prod"
    memory      = 1000
    lake_source = "http://api.example.com"
    settings    = { API_KEY = "not here" }
  }
  expect_failures = [var.stage, var.memory, var.lake_source, var.settings]
}
