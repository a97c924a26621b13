from setuptools import setup

setup(name="accelerate", version="0.20.3", packages=["accelerate"])
