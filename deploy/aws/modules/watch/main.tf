variable "name" { type = string }
variable "email" { type = string }
variable "run_on" { type = string }
variable "dimensions" { type = map(string) }
variable "budget_usd" { type = number }

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.email
}

locals {
  # What is counted in 5 minutes, and the most that is no alarm.
  alarms = {
    function = {
      Errors    = { namespace = "AWS/Lambda", most = 0 }
      Throttles = { namespace = "AWS/Lambda", most = 10 }
    }
    container = {
      HTTPCode_Target_5XX_Count = { namespace = "AWS/ApplicationELB", most = 10 }
      RejectedConnectionCount   = { namespace = "AWS/ApplicationELB", most = 0 }
    }
    nothing = {}
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms[var.run_on]
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.key} of ${var.name} above ${each.value.most} in 5 minutes"
  namespace           = each.value.namespace
  metric_name         = each.key
  dimensions          = var.dimensions
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = each.value.most
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_budgets_budget" "month" {
  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  cost_filter {
    name   = "TagKeyValue"
    values = ["user:project$${var.name}"]
  }
  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }
    content {
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      notification_type          = notification.key
      subscriber_email_addresses = [var.email]
    }
  }
}
