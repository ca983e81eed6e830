"""Entry and exit of a canvas as marketers edit them: form, sentence, problems, log lines."""
