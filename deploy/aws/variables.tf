variable "name" {
  description = "What everything is called, followed by the stage."
  type        = string
  default     = "pronto"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "The name is 2 to 21 lower case letters, digits and hyphens."
  }
}

variable "stage" {
  description = "dev or prd; each has its own state and resources."
  type        = string
  validation {
    condition     = contains(["dev", "prd"], var.stage)
    error_message = "The stage is dev or prd."
  }
}

variable "region" {
  type    = string
  default = "us-east-1"
}

variable "run_on" {
  description = "function (Lambda), container (Fargate) or nothing."
  type        = string
  default     = "function"
  validation {
    condition     = contains(["function", "container", "nothing"], var.run_on)
    error_message = "run_on is function, container or nothing."
  }
}

variable "image" {
  description = "Address and tag or digest of the image; for a function, empty to use the archive."
  type        = string
  default     = ""
}

variable "archive" {
  description = "Path of the zip for a function, from deploy/aws/build_zip.sh."
  type        = string
  default     = ""
}

variable "settings" {
  description = "Settings of the service that are no secrets, by name."
  type        = map(string)
  default     = {}
}

variable "memory" {
  description = "MiB of a function or a container."
  type        = number
  default     = 1024
}

variable "replicas" {
  type    = number
  default = 2
}

variable "vpc" {
  description = "Id of the network of the containers."
  type        = string
  default     = ""
}

variable "subnets" {
  description = "Ids of at least two subnets of the network."
  type        = list(string)
  default     = []
}

variable "certificate" {
  description = "ARN of the certificate of the balancer."
  type        = string
  default     = ""
}

variable "concurrency" {
  description = "Most requests that functions answer at a time; -1 for the account's limit."
  type        = number
  default     = 50
}

variable "requests_per_second" {
  description = "What the gateway lets a key ask."
  type        = number
  default     = 100
}

variable "lake_source" {
  description = "Address of the API whose records are collected; empty for no lake."
  type        = string
  default     = ""
}

variable "lake_model" {
  type    = string
  default = "beers"
}

variable "lake_columns" {
  description = "Columns of the cleaned table and their Glue types."
  type        = map(string)
  default = {
    id        = "int", name = "string", abv = "double", ibu = "double", target_fg = "double",
    target_og = "double", ebc = "double", srm = "double", ph = "double"
  }
}

variable "lake_every" {
  description = "How often a record is collected."
  type        = string
  default     = "rate(5 minutes)"
}

variable "log_days" {
  type    = number
  default = 14
}

variable "email" {
  description = "Who hears of alarms and of the budget."
  type        = string
}

variable "budget_usd" {
  description = "Dollars a month; a message is sent at 80 % and when more is forecast."
  type        = number
  default     = 20
}
