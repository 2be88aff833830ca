"""Cards in words: facts, Markdown, differences."""
