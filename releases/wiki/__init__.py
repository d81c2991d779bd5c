"""What a wiki page is made of: its Markdown, its addresses, how a document becomes pages. No rows here."""
