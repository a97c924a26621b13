// SPDX-License-Identifier: GPL-2.0
/*
 * A stand-in for the driver: nodes for each card, and what the vendor's shows in /proc. Like the
 * vendor's it declares no MODULE_VERSION, and loads where there is no card.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#define CARDS 16

struct card {
	char address[16], model[16], name[2][32];
	struct miscdevice nodes[2]; /* dev, ipcm */
	int registered;
};

static char *cards[CARDS];
static int count;
module_param_array(cards, charp, &count, 0444);
MODULE_PARM_DESC(cards, "BDF=MODEL of each card: there is no hardware to find them by");
static int virtcon_en, inline_ecc_en, check_en = 3, launch_turbo, sriov_en;
module_param(virtcon_en, int, 0444);
module_param(inline_ecc_en, int, 0444);
module_param(check_en, int, 0444);
module_param(launch_turbo, int, 0444);
module_param(sriov_en, int, 0444);

static struct card *found;
static struct proc_dir_entry *tree;

/* the owner counts as a user of the module for as long as a node is open */
static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
};

static struct miscdevice control = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "cambricon_ctl",
	.fops = &operations,
	.mode = 0666,
};

static int information(struct seq_file *file, void *unused)
{
	struct card *card = file->private;
	unsigned int domain = 0, bus = 0, slot = 0, function = 0;

	if (sscanf(card->address, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -EINVAL;
	seq_printf(file, "Device name: %s\n", card->model);
	seq_printf(file, "Device inode path: /dev/%s\n", card->nodes[0].name);
	seq_printf(file, "Device Major: %d\n", MISC_MAJOR);
	seq_printf(file, "Device Minor: %d\n", card->nodes[0].minor);
	seq_puts(file, "Driver Version: v@VERSION@\n");
	seq_puts(file, "MCU Version: v1.1.6\n");
	seq_printf(file, "Board Serial Number: SN/%012x\n", bus << 8 | slot << 3 | function);
	seq_puts(file, "MLU Firmware Version: 1.1.4\n");
	seq_puts(file, "Board CV: 0\n");
	seq_puts(file, "IPU Freq: 1300MHz\n");
	seq_printf(file, "Bus Location: %x_%x_%x\n", bus, slot, function);
	seq_puts(file, "Bus Type: PCIE\n");
	seq_puts(file, "LnkSta: Speed 16.0GT/s, Width x16\n");
	seq_puts(file, "Min_LnkSta: Speed 8.0GT/s, Width x16\n");
	seq_puts(file, "Region 0: Memory at 20000000000 [size=256M]\n");
	seq_puts(file, "Interrupt Mode: MSI\n");
	seq_puts(file, "PCIE Firmware Version: FV/1.0.0\n");
	return 0;
}

static int core_state(struct seq_file *file, void *unused)
{
	seq_puts(file, "CN_RUNNING\n");
	return 0;
}

static int start(struct card *card, int number, struct proc_dir_entry *all)
{
	static const char *const kinds[] = { "dev", "ipcm" };
	struct proc_dir_entry *place;
	int error, kind;

	for (kind = 0; kind < 2; kind++) {
		struct miscdevice *node = &card->nodes[kind];

		snprintf(card->name[kind], sizeof(card->name[kind]), "cambricon_%s%d", kinds[kind],
			 number);
		node->minor = MISC_DYNAMIC_MINOR;
		node->name = card->name[kind];
		node->fops = &operations;
		node->mode = 0666;
		error = misc_register(node);
		if (error)
			return error;
		card->registered++;
	}
	place = proc_mkdir(card->address, all);
	if (!place || !proc_create_single_data("information", 0444, place, information, card) ||
	    !proc_create_single_data("core_state", 0444, place, core_state, card))
		return -ENOMEM;
	pr_info("cambricon-drv: %s boot ok\n", card->model);
	return 0;
}

static void stop(void)
{
	int number, kind;

	proc_remove(tree);
	for (number = 0; number < count; number++)
		for (kind = 0; kind < found[number].registered; kind++)
			misc_deregister(&found[number].nodes[kind]);
	misc_deregister(&control);
	kfree(found);
}

static int __init load(void)
{
	struct proc_dir_entry *all;
	int error, number;

	error = misc_register(&control);
	if (error)
		return error;
	pr_info("cambricon-drv: driver v@VERSION@\n");
	found = kcalloc(CARDS, sizeof(*found), GFP_KERNEL);
	tree = proc_mkdir("driver/cambricon", NULL);
	all = tree ? proc_mkdir("mlus", tree) : NULL;
	error = found && all ? 0 : -ENOMEM;
	for (number = 0; !error && number < count; number++) {
		struct card *card = &found[number];

		if (sscanf(cards[number], "%15[^=]=%15s", card->address, card->model) != 2)
			error = -EINVAL;
		else
			error = start(card, number, all);
	}
	if (error) {
		count = found ? number : 0;
		stop();
	}
	return error;
}

static void __exit unload(void)
{
	stop();
	pr_info("cambricon-drv: unloaded\n");
}

module_init(load);
module_exit(unload);
MODULE_DESCRIPTION("stand-in for the MLU370 driver");
MODULE_LICENSE("GPL");
