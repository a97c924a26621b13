# PLUGIN [CONFIG]: one plugin of the vendor's validation suite. Its exit status is not looked at:
# the controller reads the verdict that it prints.
PATH=$PATH:/usr/local/neuware/bin
# what has passed before is not known any more, whatever comes of this
stamp validation "begun"
cnvs -r "$1" ${2:+-c "$2"} -v 2>&1 || echo "cnvs ended with status $?"
