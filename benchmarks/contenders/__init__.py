"""The other servers, each as its users write it; run in environments of their own."""
