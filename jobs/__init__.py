"""Jobs over whole tables: each is a command, run by a person, a schedule or an orchestrator."""
