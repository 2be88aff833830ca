variable "name" { type = string }

data "aws_caller_identity" "this" {}

resource "aws_s3_bucket" "this" {
  bucket = "${var.name}-models-${data.aws_caller_identity.this.account_id}"
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# A service reads versions; only who trains writes them.
data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.this.arn}/models/*"]
  }
  statement {
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this.arn]
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
    resources = ["${aws_s3_bucket.this.arn}/models/*"]
  }
}

resource "aws_iam_policy" "train" {
  name   = "${var.name}-train"
  policy = data.aws_iam_policy_document.write.json
}

output "bucket" { value = aws_s3_bucket.this.id }
output "read_policy" { value = data.aws_iam_policy_document.read.json }
output "train_policy" { value = aws_iam_policy.train.arn }
