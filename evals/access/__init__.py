"""`ringfence eval access`: is every document filtered exactly as Casbin decides, how fast, and how soon obeyed?"""
