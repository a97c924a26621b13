"""peft as far as the server looks at it."""
