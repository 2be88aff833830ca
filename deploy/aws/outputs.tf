output "registry" {
  description = "Where to push the image."
  value       = module.registry.url
}

output "store" {
  description = "What MODEL_STORE is set to."
  value       = "s3://${module.store.bucket}/models"
}

output "address" {
  description = "Where the service answers."
  value = coalesce(
    one(module.gateway[*].url), one(module.container[*].url), "nothing runs"
  )
}

output "key" {
  description = "What callers send as x-api-key."
  value       = one(module.gateway[*].key)
  sensitive   = true
}
