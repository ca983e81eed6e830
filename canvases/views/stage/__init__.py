"""The stage of the editor: its page, the flow in columns, the cards."""
