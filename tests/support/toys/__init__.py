"""Small models of the tests' own, each a file like those in models/."""
