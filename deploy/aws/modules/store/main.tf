# The bucket of the versions. A service reads it; only those who train write to it.
variable "name" {
  description = "Prefix of all names."
  type        = string
}

data "aws_caller_identity" "this" {}

module "bucket" {
  source = "../bucket"
  name   = "${var.name}-models-${data.aws_caller_identity.this.account_id}"
}

data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${module.bucket.arn}/models/*"]
  }
  statement {
    actions   = ["s3:ListBucket"]
    resources = [module.bucket.arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["models/*"]
    }
  }
}

data "aws_iam_policy_document" "write" {
  source_policy_documents = [data.aws_iam_policy_document.read.json]
  statement {
    actions   = ["s3:PutObject", "s3:DeleteObject"]
    resources = ["${module.bucket.arn}/models/*"]
  }
}

resource "aws_iam_policy" "train" {
  name   = "${var.name}-train"
  policy = data.aws_iam_policy_document.write.json
}

output "address" { value = "s3://${module.bucket.id}/models" }
output "read_policy" { value = data.aws_iam_policy_document.read.json }
output "train_policy" { value = aws_iam_policy.train.arn }
