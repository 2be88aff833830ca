variable "name" {
  description = "What everything is called, followed by the stage."
  type        = string
  default     = "pronto"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "The name has 2 to 21 lower-case letters, digits and hyphens."
  }
}

variable "stage" {
  description = "dev or prd; each has its own resources."
  type        = string
  validation {
    condition     = contains(["dev", "prd"], var.stage)
    error_message = "The stage is dev or prd."
  }
}

variable "region" {
  description = "Region of AWS."
  type        = string
  default     = "us-east-1"
}

variable "run_on" {
  description = "What runs the service: function (Lambda), container (Fargate) or nothing."
  type        = string
  default     = "nothing"
  validation {
    condition     = contains(["function", "container", "nothing"], var.run_on)
    error_message = "run_on is function, container or nothing."
  }
}

variable "image" {
  description = "Address and tag of the image; a function without one uses service.zip."
  type        = string
  default     = ""
}

variable "settings" {
  description = "Settings of the service by name, such as DEFAULT_MODEL; no secrets."
  type        = map(string)
  default     = {}
  validation {
    condition     = length([for name in keys(var.settings) : name if can(regex("(KEY|SECRET|PASSWORD|REDIS)$|^DATABASE_URL$|WEBHOOK", name))]) == 0
    error_message = "A setting that holds a secret belongs into secrets, with the ARN of its secret."
  }
}

variable "secrets" {
  description = "ARNs of secrets in Secrets Manager by the name of the setting; for containers."
  type        = map(string)
  default     = {}
}

variable "memory" {
  description = "Memory of the function or of a container, in MiB."
  type        = number
  default     = 1024
  validation {
    condition     = contains([1024, 2048, 3072, 4096], var.memory)
    error_message = "The memory is 1024, 2048, 3072 or 4096."
  }
}

variable "replicas" {
  description = "Number of containers."
  type        = number
  default     = 2
}

variable "network" {
  description = "Of the containers: id of the VPC, and ids of at least two of its subnets."
  type        = object({ vpc = string, subnets = list(string) })
  default     = { vpc = "", subnets = [] }
}

variable "requests_per_second" {
  description = "Most requests per second of each key."
  type        = number
  default     = 100
}

variable "lake_source" {
  description = "Address of the API whose records are collected; empty: no lake."
  type        = string
  default     = ""
  validation {
    condition     = var.lake_source == "" || startswith(var.lake_source, "https://")
    error_message = "The address begins with https://."
  }
}

variable "lake_table" {
  description = "Name of the table of the lake."
  type        = string
  default     = "beers"
}

variable "lake_columns" {
  description = "Columns of the table and their types: bigint, double or string."
  type        = map(string)
  default = {
    id        = "bigint", name = "string", abv = "double", ibu = "double", target_fg = "double",
    target_og = "double", ebc = "double", srm = "double", ph = "double"
  }
  validation {
    condition     = length(setsubtract(values(var.lake_columns), ["bigint", "double", "string"])) == 0
    error_message = "The type of a column is bigint, double or string."
  }
}

variable "lake_every" {
  description = "How often records are collected."
  type        = string
  default     = "rate(5 minutes)"
}

variable "log_days" {
  description = "Days until a log line is deleted: 1, 3, 5, 7, 14, 30, 60, 90 and more."
  type        = number
  default     = 14
}

variable "email" {
  description = "Who is told of alarms and of the budget."
  type        = string
}

variable "budget_usd" {
  description = "Dollars a month: a message at 80 %, and when more is forecast; 0: no budget."
  type        = number
  default     = 20
}
