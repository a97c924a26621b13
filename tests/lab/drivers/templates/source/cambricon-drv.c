/* Stands in for the driver's source: the lab's dkms makes the module file from dkms.conf alone. */
