# The gateway reaches the balancer by a private link, and the balancer the containers.
resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "Lets nothing in but the gateway's private link"
  vpc_id      = var.network.vpc
}

resource "aws_security_group" "service" {
  name        = "${var.name}-service"
  description = "Lets the balancer in"
  vpc_id      = var.network.vpc
}

resource "aws_vpc_security_group_egress_rule" "balancer_to_service" {
  description                  = "Requests and health checks"
  security_group_id            = aws_security_group.balancer.id
  referenced_security_group_id = aws_security_group.service.id
  from_port                    = 8080
  to_port                      = 8080
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "service_from_balancer" {
  description                  = "Requests and health checks"
  security_group_id            = aws_security_group.service.id
  referenced_security_group_id = aws_security_group.balancer.id
  from_port                    = 8080
  to_port                      = 8080
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "service_to_aws" {
  description       = "The registry, the store and the log of AWS"
  security_group_id = aws_security_group.service.id
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "service_to_network" {
  description       = "PostgreSQL and Redis of the network"
  security_group_id = aws_security_group.service.id
  cidr_ipv4         = data.aws_vpc.this.cidr_block
  from_port         = 1024
  to_port           = 65535
  ip_protocol       = "tcp"
}

resource "aws_lb" "this" {
  name               = var.name
  load_balancer_type = "network"
  internal           = true
  subnets            = var.network.subnets
  security_groups    = [aws_security_group.balancer.id]
  # What comes by the private link is not checked, and all else is refused.
  enforce_security_group_inbound_rules_on_private_link_traffic = "off"
}

resource "aws_lb_target_group" "this" {
  name                 = var.name
  port                 = 8080
  protocol             = "TCP"
  target_type          = "ip"
  vpc_id               = var.network.vpc
  deregistration_delay = 20
  health_check {
    protocol            = "HTTP"
    path                = "/readyz"
    interval            = 10
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "TCP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_api_gateway_vpc_link" "this" {
  name        = var.name
  target_arns = [aws_lb.this.arn]
}
