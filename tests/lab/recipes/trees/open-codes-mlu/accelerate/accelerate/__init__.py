"""accelerate as far as the server looks at it."""
