# cnvs.sh PLUGIN [CONFIG]: run one plugin of the vendor's validation suite.
# The exit status is not evaluated: the controller parses the printed verdict.
PATH=$PATH:/usr/local/neuware/bin
# whatever the result is, an earlier pass no longer counts
stamp validation "begun"
cnvs -r "$1" ${2:+-c "$2"} -v 2>&1 || echo "cnvs ended with status $?"
