"""An app of a site's own, whose rows name ours."""
