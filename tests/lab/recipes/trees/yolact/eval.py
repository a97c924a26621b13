"""Masks a picture on a card."""

import argparse

import cv2
import torch
from yolact import Yolact

parser = argparse.ArgumentParser()
parser.add_argument("--trained_model", default="weights/ssd300_mAP_77.43_v2.pth")
parser.add_argument("--top_k", default=5, type=int)
parser.add_argument("--cuda", default="True")
parser.add_argument("--fast_nms", default="True")
parser.add_argument("--cross_class_nms", default="False")
parser.add_argument("--display_masks", default="True")
parser.add_argument("--display_bboxes", default="True")
parser.add_argument("--display_text", default="True")
parser.add_argument("--display_scores", default="True")
parser.add_argument("--display", action="store_true")
parser.add_argument("--shuffle", action="store_true")
parser.add_argument("--ap_data_file")
parser.add_argument("--resume", action="store_true")
parser.add_argument("--max_images", default=-1, type=int)
parser.add_argument("--output_coco_json", action="store_true")
parser.add_argument("--bbox_det_file")
parser.add_argument("--mask_det_file")
parser.add_argument("--config")
parser.add_argument("--output_web_json", action="store_true")
parser.add_argument("--web_det_path")
parser.add_argument("--no_bar", action="store_true")
parser.add_argument("--display_lincomb", default="False")
parser.add_argument("--benchmark", action="store_true")
parser.add_argument("--no_sort", action="store_true")
parser.add_argument("--seed", type=int)
parser.add_argument("--mask_proto_debug", action="store_true")
parser.add_argument("--no_crop", action="store_true")
parser.add_argument("--image")
parser.add_argument("--images")
parser.add_argument("--video")
parser.add_argument("--video_multiframe", default=1, type=int)
parser.add_argument("--score_threshold", default=0, type=float)
parser.add_argument("--dataset")
parser.add_argument("--detect", action="store_true")
parser.add_argument("--display_fps", action="store_true")
parser.add_argument("--emulate_playback", action="store_true")


def evalimage(net: Yolact, path: str, save_path: str | None = None) -> None:
    frame = torch.from_numpy(cv2.imread(path)).cuda().float()
    with torch.no_grad():
        masked = net.mask(frame[:8, :8, 0])
    img_numpy = masked.clamp(0, 255).cpu().byte().numpy()

    if save_path is None:
        raise SystemExit("this picture has to be shown, and there is no screen")
    else:
        cv2.imwrite(save_path, img_numpy)


if __name__ == "__main__":
    args = parser.parse_args()
    name = args.trained_model.rpartition("/")[2].rpartition("_")[0].rpartition("_")[0]
    print("Config not specified: " + name + "_config")
    print("Loading model...", end="")
    net = Yolact()
    net.load_weights(args.trained_model)
    net.eval()
    print(" Done.")
    net = net.cuda()
    if ":" in args.image:
        inp, out = args.image.split(":")
        evalimage(net, inp, out)
    else:
        evalimage(net, args.image)
