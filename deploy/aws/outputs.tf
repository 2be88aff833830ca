output "registry" {
  description = "Where images are pushed."
  value       = module.registry.url
}

output "store" {
  description = "What MODEL_STORE is set to where models are trained."
  value       = module.store.address
}

output "train_policy" {
  description = "What lets a user or a role write to the store."
  value       = module.store.train_policy
}

output "address" {
  description = "Where the service answers."
  value       = one(module.gateway[*].url)
}

output "key" {
  description = "What callers send as x-api-key."
  value       = one(module.gateway[*].key)
  sensitive   = true
}

output "lake" {
  description = "Where the records are."
  value       = one(module.lake[*].address)
}

output "query_policy" {
  description = "What lets a user or a role query the lake."
  value       = one(module.lake[*].query_policy)
}
