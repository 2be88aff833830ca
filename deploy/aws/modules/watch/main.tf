# Sends an e-mail for each alarm, and when the month becomes too expensive.
variable "name" {
  description = "Prefix of all names, and the tag whose costs the budget counts."
  type        = string
}

variable "email" {
  description = "Who is told."
  type        = string
}

variable "budget_usd" {
  description = "Dollars a month; 0: no budget."
  type        = number
}

variable "alarms" {
  description = "What is counted in 5 minutes, and the most that is no alarm."
  type = map(object({
    namespace = string, metric = string, statistic = string, most = number, dimensions = map(string)
  }))
}

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.email
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = var.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.metric} of ${var.name} is above ${each.value.most} in 5 minutes"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 300
  evaluation_periods  = 1
  threshold           = each.value.most
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_budgets_budget" "month" {
  count        = var.budget_usd > 0 ? 1 : 0
  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:service$%s", var.name)] # a tag that Billing must have activated
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
