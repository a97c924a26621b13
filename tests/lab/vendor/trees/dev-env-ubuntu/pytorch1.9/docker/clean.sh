#!/bin/bash
# The image archive is moved into this folder by hand; this removes what was unpacked beside it.
rm -rf ./unpacked
