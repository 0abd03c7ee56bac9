"""What people type first, as other programs want it, and the answer each gets: one that works as it stands."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from convcli import errors
from convcli.cli import words as command_words
from convcli.spec import words
from convcli.spec.fillings import FILLINGS
from tests.support import SAMPLES, noise, run, save

#: What is typed behind `convcli` -> what the hint says to type instead.
GUESSES = {
    # commands
    "sharpen photos": "apply photos -k sharpen -o out/",
    "blur a.jpg b.jpg": "apply a.jpg -k gaussian -o b.jpg",
    "a.jpg -k sharpen": "apply a.jpg -k sharpen -o a-filtered.jpg",
    "a.jpg -k sharpen -o b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "photos -k sharpen -o out/": "apply photos -k sharpen -o out/",
    "-k sharpen a.jpg -o b.jpg": "apply -k sharpen a.jpg -o b.jpg",
    "--kernel=sharpen a.jpg -o b.jpg": "apply --kernel=sharpen a.jpg -o b.jpg",
    "sobel_x a.jpg b.png": "apply a.jpg -k sobel-x -o b.png",
    "gaussian:sigma=3 a.jpg b.jpg": "apply a.jpg -k gaussian:sigma=3 -o b.jpg",
    "gaussblur a.jpg b.jpg 2": "apply a.jpg -k gaussian:sigma=2 -o b.jpg",
    "convert a.jpg -gaussian-blur 0x2 b.jpg": "apply a.jpg -k gaussian:sigma=2 -o b.jpg",
    "magick a.jpg -emboss 2 b.jpg": "apply a.jpg -k emboss -o b.jpg",
    "-i a.jpg -vf gblur=2 b.jpg": "apply a.jpg -k gaussian:sigma=2 -o b.jpg",
    "aply a.jpg -k sharpen -o b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "cmp a.jpg a.jpg": "diff a.jpg a.jpg",
    "diff a.jpg a.jpg --csv": "diff a.jpg a.jpg --format csv",
    "filter a.jpg -k sharpen -o b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "info gaussian": "show gaussian",
    "describe gaussian": "show gaussian",
    "ls": "list",
    "kernels": "list",
    "cost sharpen": "compare sharpen",
    "flops": "compare",
    "bench sharpen --budget 0.01 --size 64": "compare --time sharpen --budget 0.01 --size 64",
    "plot sharpen -o k.svg": "draw kernel sharpen -o k.svg",
    "version": "--version",
    "-v": "--version",
    "usage": "--help",
    "help aply": "help apply",
    "compare --in 3 --out 128": "compare --in-channels 3 --out-channels 128",
    # formats before names, as ImageMagick has them
    "apply a.jpg -k sharpen -o png:b.png": "apply a.jpg -k sharpen -o b.png",
    "apply a.jpg -k sharpen --output=JPEG:b": "apply a.jpg -k sharpen --output b.jpeg",
    "apply jpg:a.jpg -k sharpen -o PNG32:b.png": "apply a.jpg -k sharpen -o b.png",
    "draw kernel sharpen -o png:b.png": "draw kernel sharpen -o b.png",
    "draw kernel sharpen -o png:-": "draw kernel sharpen -o - --format png",
    "compare --draw svg:c.svg": "compare --draw c.svg",
    # two values of an option that takes one
    "apply a.jpg -k sharpen -o b.png -o d.png": "apply a.jpg -k sharpen -o d.png",
    "apply a.jpg -k sharpen --output=b.png -od.png": "apply a.jpg -k sharpen -od.png",
    "apply a.jpg -k sharpen -j 2 -o b.png --jobs 4": "apply a.jpg -k sharpen -o b.png --jobs 4",
    "apply a.jpg -k sharpen --border zero --border wrap -o b.png": "apply a.jpg -k sharpen --border wrap -o b.png",
    "draw field a.jpg -k box --at 2,3 --at 4,5 -o f.svg": "draw field a.jpg -k box --at 4,5 -o f.svg",
    "list --json --format csv": "list --format csv",
    "compare --size 64 --size=32": "compare --size=32",
    # kernels
    "apply a.jpg -k upsample-3x -o b.png": "apply a.jpg -k upsample-bilinear-2x:stride=3 -o b.png",
    "apply a.jpg -k sharpen --strength 50% -o b.jpg": "apply a.jpg -k sharpen --amount 50% -o b.jpg",
    "apply a.jpg -k blur -o b.jpg": "apply a.jpg -k gaussian -o b.jpg",
    "apply a.jpg -k edges -o b.png": "apply a.jpg -k sobel -o b.png",
    "apply a.jpg -k downsample -o b.png": "apply a.jpg -k downsample-2x -o b.png",
    "apply a.jpg -k gausian -o b.jpg": "apply a.jpg -k gaussian -o b.jpg",
    "apply a.jpg -k sharp -o b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "apply a.jpg -k unsharp_mask -o b.jpg": "apply a.jpg -k unsharp -o b.jpg",
    "apply a.jpg -k box_blur -o b.jpg": "apply a.jpg -k box -o b.jpg",
    "apply a.jpg -k mean -o b.jpg": "apply a.jpg -k box -o b.jpg",
    "apply a.jpg -k bokeh -o b.jpg": "apply a.jpg -k disk -o b.jpg",
    "apply a.jpg -k motion-blur:angle=30 -o b.jpg": "apply a.jpg -k motion:angle=30 -o b.jpg",
    "apply a.jpg -k laplace -o b.png": "apply a.jpg -k laplacian -o b.png",
    "apply a.jpg -k LoG -o b.png": "apply a.jpg -k laplacian-of-gaussian -o b.png",
    "apply a.jpg -k bicubic -o b.png": "apply a.jpg -k upsample-cubic-2x -o b.png",
    "apply a.jpg -k grayscale -o b.png": "apply a.jpg -k grey -o b.png",
    "apply a.jpg -k gaussian:size=5 -o b.jpg": "apply a.jpg -k gaussian:radius=2 -o b.jpg",
    "apply a.jpg -k gaussian:std=2 -o b.jpg": "apply a.jpg -k gaussian:sigma=2 -o b.jpg",
    "apply a.jpg -k gaussian:ksize=7,std=2 -o b.jpg": "apply a.jpg -k gaussian:radius=3,sigma=2 -o b.jpg",
    "apply a.jpg -k motion:direction=45 -o b.jpg": "apply a.jpg -k motion:angle=45 -o b.jpg",
    "apply a.jpg -k sharpen gaussian -o out/": "apply a.jpg -k sharpen -k gaussian -o out/",
    "apply a.jpg sharpen": "apply a.jpg -k sharpen -o a-filtered.jpg",
    "apply a.jpg sharpen -o b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "apply a.jpg -k gaussian(3) -o b.jpg": "apply a.jpg -k gaussian:3 -o b.jpg",
    "apply a.jpg -k gaussian:sigma:3 -o b.jpg": "apply a.jpg -k gaussian:sigma=3 -o b.jpg",
    "apply a.jpg -k blur(3) -o b.jpg": "apply a.jpg -k gaussian:3 -o b.jpg",
    # what options are called
    "apply a.jpg -k sharpen --sigma 2 -o b.jpg": "apply a.jpg -k unsharp:sigma=2 -o b.jpg",
    "apply a.jpg -k sharpen --kernel-size 5 -o b.jpg": "apply a.jpg -k unsharp:radius=2 -o b.jpg",
    "apply a.jpg -k sharpen --gray -o b.jpg": "apply a.jpg -k sharpen -k grey -o b.jpg",
    "apply a.jpg --grey -o b.jpg": "apply a.jpg -k grey -o b.jpg",
    "apply a.jpg -colorspace gray -o b.jpg": "apply a.jpg -k grey -o b.jpg",
    "apply a.jpg -k sharpen --luma -o b.jpg": "apply a.jpg -k sharpen --channels luma -o b.jpg",
    "apply a.jpg -k gaussian --sigma 3 -o b.jpg": "apply a.jpg -k gaussian:sigma=3 -o b.jpg",
    "apply a.jpg -k gaussian --sigma=3 -o b.jpg": "apply a.jpg -k gaussian:sigma=3 -o b.jpg",
    "apply a.jpg --sigma 3 -o b.jpg": "apply a.jpg -k gaussian:sigma=3 -o b.jpg",
    "apply a.jpg -k disk --radius 3 -o b.jpg": "apply a.jpg -k disk:radius=3 -o b.jpg",
    "apply a.jpg -k gaussian --size 5 -o b.jpg": "apply a.jpg -k gaussian:radius=2 -o b.jpg",
    "apply a.jpg -k gaussian:sigma=2 --radius 5 -o b.jpg": "apply a.jpg -k gaussian:sigma=2,radius=5 -o b.jpg",
    "apply a.jpg -k motion --angle 30 -o b.jpg": "apply a.jpg -k motion:angle=30 -o b.jpg",
    "apply a.jpg -k sharpen --normalize -o b.jpg": "apply a.jpg -k sharpen --range rescale -o b.jpg",
    "apply a.jpg -k sobel-x --abs -o b.png": "apply a.jpg -k sobel-x --range abs -o b.png",
    "apply a.jpg -k sharpen -o b.jpg -y": "apply a.jpg -k sharpen -o b.jpg --overwrite",
    "apply a.jpg -k sharpen -o b.jpg -q 90": "apply a.jpg -k sharpen -o b.jpg --quality 90",
    "apply a.jpg -k sharpen -o b.jpg -quality 90": "apply a.jpg -k sharpen -o b.jpg --quality 90",
    "apply a.jpg -k sharpen -o b.jpg --qualty 90": "apply a.jpg -k sharpen -o b.jpg --quality 90",
    "apply a.jpg -k sharpen -output b.jpg": "apply a.jpg -k sharpen --output b.jpg",
    "apply a.jpg -kernel sharpen -o b.jpg": "apply a.jpg --kernel sharpen -o b.jpg",
    "apply a.jpg -k sharpen -format png -o b.png": "apply a.jpg -k sharpen --format png -o b.png",
    "apply a.jpg -k sharpen --output-dir out": "apply a.jpg -k sharpen -o out/",
    "apply a.jpg -k sharpen --out b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "apply a.jpg -k sharpen": "apply a.jpg -k sharpen -o a-filtered.jpg",
    "apply a.jpg -k sharpen -o": "apply a.jpg -k sharpen -o a-filtered.jpg",
    "apply a.jpg b.jpg -k sharpen": "apply a.jpg -k sharpen -o b.jpg",
    "apply a.jpg c.png -k sharpen": "apply a.jpg c.png -k sharpen -o out/",
    "apply photos -k sharpen": "apply photos -k sharpen -o out/",
    "apply a.jpg -o b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "apply -i a.jpg -k sharpen -o b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "apply --input a.jpg --filter sharpen --out b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "apply a.jpg -k sharpen -o b.jpg --verbose": "apply a.jpg -k sharpen -o b.jpg --report",
    "apply a.jpg -k sharpen -o b.jpg -v": "apply a.jpg -k sharpen -o b.jpg --report",
    "apply a.jpg -k sharpen -o b.jpg --silent": "apply a.jpg -k sharpen -o b.jpg --quiet",
    "apply photos -R -k sharpen -o out/": "apply photos --recursive -k sharpen -o out/",
    "apply photos -k sharpen -o out/ --jobs 0": "apply photos -k sharpen -o out/",
    "apply photos -k sharpen -o out/ --threads 2": "apply photos -k sharpen -o out/ --jobs 2",
    "apply a.jpg -k sharpen -o b.jpg --gpu": "apply a.jpg -k sharpen -o b.jpg",
    "apply a.jpg -k sharpen -o b.jpg --iterations 3": "apply a.jpg -k sharpen -k sharpen -k sharpen -o b.jpg",
    "apply a.jpg -k box --border-mode mirror -o b.jpg": "apply a.jpg -k box --border reflect -o b.jpg",
    "apply a.jpg -k sharpen --gamma -o b.jpg": "apply a.jpg -k sharpen --linear -o b.jpg",
    "apply c.png -k sharpen --no-alpha -o b.png": "apply c.png -k sharpen --alpha drop -o b.png",
    "apply a.jpg -k sobel-x --range absolute -o b.png": "apply a.jpg -k sobel-x --range abs -o b.png",
    # whole lines of other programs
    "apply a.jpg -gaussian-blur 0x2 -o b.jpg": "apply a.jpg -k gaussian:sigma=2 -o b.jpg",
    "apply a.jpg --blur 3 -o b.jpg": "apply a.jpg -k gaussian:sigma=3 -o b.jpg",
    "apply a.jpg --blur -o b.jpg": "apply a.jpg -k gaussian -o b.jpg",
    "apply a.jpg -unsharp 0x2+1.5+0.05 -o b.jpg": "apply a.jpg -k unsharp:0x2+1.5+0.05 -o b.jpg",
    "apply a.jpg --unsharp -o b.jpg": "apply a.jpg -k unsharp -o b.jpg",
    "apply a.jpg --sharpen -o b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "apply a.jpg -resize 50% -o b.jpg": "apply a.jpg -k downsample-2x -o b.jpg",
    "apply a.jpg --resize 200% -o b.jpg": "apply a.jpg -k upsample-cubic-2x -o b.jpg",
    "apply a.jpg -vf gblur=sigma=3:steps=2 -o b.jpg": "apply a.jpg -k gaussian:sigma=3 -o b.jpg",
    "apply a.jpg -virtual-pixel edge -k box -o b.jpg": "apply a.jpg --border replicate -k box -o b.jpg",
    "apply a.jpg -define convolve:scale=1 -k box -o b.jpg": "apply a.jpg -k box -o b.jpg",
    # other commands
    "compare sharpen --csv": "compare sharpen --format csv",
    "compare sharpen --flops": "compare sharpen",
    "compare --input-size 3x64x64": "compare --size 64x64",
    "compare sharpen --chart c.svg": "compare sharpen --draw c.svg",
    "compare sharpen --format cvs": "compare sharpen --format csv",
    "show gausian": "show gaussian",
    "show blur": "show gaussian",
    "show sharpen --values": "show sharpen",
    "schema kernels": "schema kernel",
    "compare depthwise": "compare 'depthwise separable'",
    "compare a.jpg a.jpg": "diff a.jpg a.jpg",
    "compare c.png": "compare --image c.png",
    "compare sharpen a.jpg": "compare sharpen --image a.jpg",
    "show sharpen a.jpg": "draw sheet a.jpg -k sharpen -o a-sheet.png",
    "show a.jpg": "draw sheet a.jpg -k sharpen -o a-sheet.png",
    "show sharpen box": "compare sharpen box",
    "help sharpen": "show sharpen",
    "help blur": "show gaussian",
    "help convert": "help apply",
    "draw sharpen a.jpg": "draw sheet a.jpg -k sharpen -o a-sheet.png",
    "draw kernel sharpen a.jpg": "draw sheet a.jpg -k sharpen -o a-sheet.png",
    "draw a.jpg -o s.svg": "draw sheet a.jpg -k sharpen -o s.svg",
    "draw maps": "draw sheet --help",
    "draw feature-maps a.jpg -k box": "draw sheet a.jpg -k box -o sheet.svg",
    "draw heatmap": "draw sheet --help",
    "draw before-after": "draw sheet --help",
    "draw response": "draw kernel sharpen -o kernel.svg",
    "draw frequency_response sobel-x -o f.svg": "draw kernel sobel-x -o f.svg",
    "draw transposed": "draw steps upsample-bilinear-2x -o steps.svg",
    "draw dilated": "draw steps dilated-laplacian -o steps.svg",
    "draw strided": "draw steps sharpen --stride 2 -o steps.svg",
    "draw animation": "draw steps sharpen -o steps.svg",
    "draw gif box -o a.gif": "draw steps box -o a.gif",
    "draw deformable a.jpg": "draw taps swirl a.jpg -o taps.svg",
    "draw receptive-field": "draw field --help",
    "draw flow": "draw offsets --help",
    "draw layer": "draw layers -o layers.svg",
    "draw costs": "compare --draw costs.svg",
    "draw stpes sharpen": "draw steps sharpen -o steps.svg",
    "apply a.jpg -k sharpen -i": "apply a.jpg -k sharpen --in-place",
    "apply a.jpg -k sharpen --inplace": "apply a.jpg -k sharpen --in-place",
    "apply a.jpg --kernel sharpen b.jpg": "apply a.jpg --kernel sharpen -o b.jpg",
    "apply photos/": "apply photos/ -k sharpen -o out/",
    "diff a.jpg": "diff --help",
    "diff a.jpg a.jpg d.png": "diff a.jpg a.jpg -o d.png",
    "diff a.jpg a.jpg --psnr": "diff a.jpg a.jpg",
    "diff a.jpg a.jpg --fuzz 3": "diff a.jpg a.jpg --tolerance 3",
    "magick compare a.jpg a.jpg d.png": "diff a.jpg a.jpg -o d.png",
    "compare -metric PSNR a.jpg a.jpg": "diff a.jpg a.jpg",
    "compare 5x5": "compare --kernel-size 5",
    "compare --k 5": "compare --kernel-size 5",
    "compare sharpen -s 64": "compare sharpen --size 64",
    "compare sharpen,box": "compare sharpen box",
    "apply a.jpg -k gaussian,sharpen -o b.jpg": "apply a.jpg -k gaussian -k sharpen -o b.jpg",
    "apply a.jpg -k blur+edges -o b.jpg": "apply a.jpg -k gaussian -k sobel -o b.jpg",
    "apply a.jpg -k gaussian 3 -o b.jpg": "apply a.jpg -k gaussian:3 -o b.jpg",
    "apply a.jpg -k EDGE_ENHANCE -o b.jpg": "apply a.jpg -k sharpen -o b.jpg",
    "apply a.jpg -k transposed -o b.png": "apply a.jpg -k upsample-bilinear-2x -o b.png",
    "apply a.jpg -k deformable -o b.png": "apply a.jpg -k swirl -o b.png",
    "apply a.jpg -k sharpen -o b.png --bit-depth 16": "apply a.jpg -k sharpen -o b.png --depth 16",
    "apply a.jpg -k sharpen -o b.npy --dtype float32": "apply a.jpg -k sharpen -o b.npy --depth float",
    "apply c.png -k sharpen -o b.jpg --bg white": "apply c.png -k sharpen -o b.jpg --background white",
    "apply a.jpg -k sharpen --roi 2,3,8,9 -o b.png": "apply a.jpg -k sharpen --region 8x9+2+3 -o b.png",
    "apply a.jpg -k sharpen --show": "apply a.jpg -k sharpen -o -",
    "list --names": "list",
    "man apply": "help apply",
    "man convcli": "man",
    "magick a.jpg -morphology Convolve Sobel b.png": "apply a.jpg -k sobel-x -o b.png",
    "apply a.jpg --matrix [[1,2,1]] -o b.png": "apply a.jpg -k '[[1,2,1]]' -o b.png",
    "apply a.jpg --box-blur 3 -o b.png": "apply a.jpg -k box:size=3 -o b.png",
    # values
    "apply a.jpg -k sharpen -s 3 -o b.jpg": "apply a.jpg -k unsharp:sigma=3 -o b.jpg",
    "apply a.jpg -k sharpen -s -o b.jpg": "apply a.jpg -k sharpen --quiet -o b.jpg",
    "apply a.jpg -k gaussian --sigma 2px -o b.jpg": "apply a.jpg -k gaussian:sigma=2 -o b.jpg",
    "apply a.jpg -k gaussian:sigma=2px -o b.jpg": "apply a.jpg -k gaussian:sigma=2 -o b.jpg",
    "apply a.jpg -k motion:angle=30deg -o b.jpg": "apply a.jpg -k motion:angle=30 -o b.jpg",
    "apply a.jpg -k sharpen --quality 90% -o b.jpg": "apply a.jpg -k sharpen --quality 90 -o b.jpg",
    "apply a.jpg -k box --where c.png --feather 2px -o b.jpg": "apply a.jpg -k box --where c.png --feather 2 -o b.jpg",
    "apply a.jpg -k box --border black -o b.jpg": "apply a.jpg -k box --border zero -o b.jpg",
    "apply a.jpg -k box --border white -o b.jpg": "apply a.jpg -k box --border 255 -o b.jpg",
    "apply a.jpg -k box --border=mirror -o b.jpg": "apply a.jpg -k box --border reflect -o b.jpg",
    "apply a.jpg -k box --border edge -o b.jpg": "apply a.jpg -k box --border replicate -o b.jpg",
    "apply a.jpg -k box --border nearest -o b.jpg": "apply a.jpg -k box --border replicate -o b.jpg",
    "apply a.jpg -k box --border circular -o b.jpg": "apply a.jpg -k box --border wrap -o b.jpg",
    "apply a.jpg -k box --border constant -o b.jpg": "apply a.jpg -k box --border zero -o b.jpg",
    "apply a.jpg -k box --border BORDER_REFLECT -o b.jpg": "apply a.jpg -k box --border symmetric -o b.jpg",
    "apply a.jpg -k box --border BORDER_REFLECT_101 -o b.jpg": "apply a.jpg -k box --border reflect -o b.jpg",
    "apply a.jpg -k box --border Replicate -o b.jpg": "apply a.jpg -k box --border replicate -o b.jpg",
    "apply a.jpg -k box:border=black -o b.jpg": "apply a.jpg -k box:border=zero -o b.jpg",
    "apply a.jpg -k box --stride 2x2 -o b.png": "apply a.jpg -k box --stride 2 -o b.png",
    "apply a.jpg -k box --stride 2x1 -o b.png": "apply a.jpg -k box --stride '[2,1]' -o b.png",
    "apply a.jpg -k box --dilation 2x2 -o b.png": "apply a.jpg -k box --dilation 2 -o b.png",
    "apply a.jpg -k box --padding SAME -o b.png": "apply a.jpg -k box --padding same_upper -o b.png",
    "apply a.jpg -k box -o b.png --depth uint8": "apply a.jpg -k box -o b.png --depth 8",
    "apply a.jpg -k sobel-x -k box --combine add -o b.png": "apply a.jpg -k sobel-x -k box --combine sum -o b.png",
    "apply a.jpg -k box --algorithm fft -o b.png": "apply a.jpg -k box --algorithm fourier -o b.png",
    "show box:stride=2x2": "show box:stride=2",
    # whole lines of ImageMagick
    "apply a.jpg -sharpen 0x1 -o b.jpg": "apply a.jpg -k unsharp:sigma=1,amount=.863 -o b.jpg",
    "apply a.jpg -motion-blur 0x12+45 -o b.jpg": "apply a.jpg -k motion:length=25,angle=45 -o b.jpg",
    "apply a.jpg -swirl 90 -o b.jpg": "apply a.jpg -k swirl:90 -o b.jpg",
    "apply a.jpg --kirsch -o b.png": "apply a.jpg -k kirsch -o b.png",
    "apply a.jpg -median 3 -o b.png": "apply a.jpg -k smooth-edges -o b.png",
    "apply a.jpg -despeckle -o b.png": "apply a.jpg -k smooth-edges -o b.png",
    "apply a.jpg -canny 0x1+10%+30% -o b.png": "apply a.jpg -k gradient -o b.png",
    "apply a.jpg -virtual-pixel mirror -k box -o b.png": "apply a.jpg --border symmetric -k box -o b.png",
    "apply a.jpg -set option:convolve:scale 50% -k box -o b.png": "apply a.jpg -k box -o b.png",
    "im a.jpg -morphology Convolve '3x1: 0,0,1' b.png": "apply a.jpg -k '3x1: 0,0,1:flip=true' -o b.png",
    "im a.jpg -morphology Correlate '3x1: 0,0,1' b.png": "apply a.jpg -k '3x1: 0,0,1' -o b.png",
    "apply a.jpg[0] -k box -o b.png": "apply a.jpg -k box -o b.png",
    "apply a.jpg -k box -channel RG -o b.png": "apply a.jpg -k box --channels RG -o b.png",
    "-list format": "list format",
    "-list kernel": "list kernel",
    "-help": "help",
    # kernels where they are arguments
    "show sharpen --sigma 2": "show unsharp:sigma=2",
    "draw kernel sharpen --sigma 2 -o k.svg": "draw kernel unsharp:sigma=2 -o k.svg",
    "draw sheet a.jpg -k sharpen --sigma 2 -o k.svg": "draw sheet a.jpg -k unsharp:sigma=2 -o k.svg",
    "compare sharpen box --stride 2": "compare sharpen:stride=2 box:stride=2",
    "show -k sharpen": "show sharpen",
    "compare -k sharpen": "compare sharpen",
    "compare -k 5": "compare --kernel-size 5",
    "draw steps -k sharpen -o s.svg": "draw steps sharpen -o s.svg",
    "export sharpen": "show --json sharpen",
    # layers, as torch has them
    "compare dilated transposed depthwise": "compare dilated transposed 'depthwise separable'",
    "compare standard dilated:rate=2": "compare standard 'dilated 2'",
    "compare Conv2d(3,64,5)": "compare standard --in-channels 3 --out-channels 64 --kernel-size 5",
    "compare 'nn.Conv2d(in_channels=3, out_channels=8, kernel_size=4)'": (
        "compare standard --in-channels 3 --out-channels 8 --kernel-size 4"
    ),
    "compare --input 64x56x56": "compare --size 56x56",
    "compare --cin 8 --cout 16": "compare --in-channels 8 --out-channels 16",
    "compare --kernel_size 5": "compare --kernel-size 5",
    "show depthwise": "show '{type: depthwise_separable, depthwise: {fill: 1, size: 3}, axes: yx, divisor: sum,"
    " pointwise: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}'",
    "show conv2d": "show sharpen",
    "apply a.jpg -k dilated -o b.png": "apply a.jpg -k dilated-laplacian -o b.png",
    # filters of ffmpeg, OpenCV and Pillow
    "-i a.jpg -vf gblur=sigma=2,sobel b.png": "apply a.jpg -k gaussian:sigma=2 -k sobel -o b.png",
    "-i a.jpg -vf boxblur=3 b.png": "apply a.jpg -k box:size=7 -o b.png",
    "-i a.jpg -vf unsharp=5:5:1.5 b.png": "apply a.jpg -k unsharp:amount=1.5 -o b.png",
    "-i a.jpg -vf convolution='0 1 0 1 5 1 0 1 0:0 1' b.png": "apply a.jpg -k '0 1 0 1 5 1 0 1 0' -o b.png",
    "apply a.jpg -k cv2.GaussianBlur -o b.png": "apply a.jpg -k gaussian -o b.png",
    "apply a.jpg -k ImageFilter.SHARPEN -o b.png": "apply a.jpg -k sharpen -o b.png",
    "apply a.jpg -k gaussian,5 -o b.png": "apply a.jpg -k gaussian:5 -o b.png",
    "apply a.jpg -k sobelx -o b.png": "apply a.jpg -k sobel-x -o b.png",
    "apply a.jpg -k sobel:x -o b.png": "apply a.jpg -k sobel-x -o b.png",
    "sharpen a.jpg b.png --sigma 1.5": "apply a.jpg -k unsharp:sigma=1.5 -o b.png",
    # those who measure
    "apply a.jpg -k box -o b.png -ot Byte": "apply a.jpg -k box -o b.png --depth 8",
    "apply a.jpg -k box -o b.png --dtype UInt16": "apply a.jpg -k box -o b.png --depth 16",
    "apply a.jpg -k box -o b.tif -co COMPRESS=LZW": "apply a.jpg -k box -o b.tif -O tiff_compression=deflate",
    "apply a.jpg -k box -o b.tif --compress deflate": "apply a.jpg -k box -o b.tif -O tiff_compression=deflate",
    "apply f.npy -k box -o g.npy --ignore-nan": "apply f.npy -k box -o g.npy --nodata nan",
    "apply f.npy -k box -o g.npy -a_nodata -9999": "apply f.npy -k box -o g.npy --nodata -9999",
    "apply f.npy -k box -o g.npy --channels-first": "apply f.npy -k box -o g.npy --layout chw",
    "apply f.npy -k slope -o g.npy": "apply f.npy -k gradient -o g.npy",
    # figures for slides
    "draw sheet a.jpg -k sharpen,sobel -o s.png": "draw sheet a.jpg -k sharpen -k sobel -o s.png",
    "draw sheet a.jpg sharpen edges -o s.png": "draw sheet a.jpg -k sharpen -k sobel -o s.png",
    "draw field a.jpg -o s.png": "draw field a.jpg -k sharpen -o s.png",
    "draw kernel sharpen --dark -o k.svg": "draw kernel sharpen --theme dark -o k.svg",
    "draw kernel sharpen --theme white -o k.svg": "draw kernel sharpen --theme light -o k.svg",
    "draw kernel sharpen --size 800x600 -o k.png": "draw kernel sharpen --width 800 -o k.png",
    "draw kernel sharpen --caption Taps -o k.svg": "draw kernel sharpen --title Taps -o k.svg",
    "draw steps sharpen --fps 2 -o s.gif": "draw steps sharpen --seconds 0.5 -o s.gif",
    "draw steps sharpen --frames 3 -o s.png": "draw steps sharpen --frame 3 -o s.png",
    "draw costs -o c.svg": "compare --draw c.svg",
    # where a drawing goes
    "draw steps box": "draw steps box -o steps.svg",
    "draw box": "draw box -o kernel.svg",
    "draw sheet a.jpg -k gausian": "draw sheet a.jpg -k gaussian -o sheet.svg",
    # files
    "apply pictre.jpg -k sharpen -o b.jpg": "apply picture.jpg -k sharpen -o b.jpg",
    "apply Picture.JPG -k sharpen": "apply picture.jpg -k sharpen -o picture-filtered.jpg",
    "apply photo -k sharpen -o out/": "apply photos -k sharpen -o out/",
    "blur pictures.jpg b.jpg": "apply picture.jpg -k gaussian -o b.jpg",
    "diff pictur.jpg a.jpg -t 100%": "diff picture.jpg a.jpg -t 100%",
    "draw sheet pictrue.jpg -k box -o s.png": "draw sheet picture.jpg -k box -o s.png",
}
#: Nothing else can be said than where the options are told.
OPEN = [
    "apply a.jpg -k sharpen -o b.jpg --frobnicate",
    "compare --zzz",
    "compare --stride 2",
    "frobnicate",
    "apply -k sharpen -o b.jpg",
    "apply",
    "apply a.jpg -k sharpen -o b.jpg --depth 12",
    "apply a.jpg -charcoal 2 -k sharpen -o b.jpg",
    "apply a.jpg -negate -k sharpen -o b.jpg",
    "apply a.jpg -resize 640x480 -k sharpen -o b.jpg",
]
#: Files that are not there, nor any of such a name: no line would work.
MISSING = [
    "apply nowhere.jpg -k sharpen -o b.jpg",
    "apply nowhere.jpg -k sharpen",
    "blur nowhere.jpg b.jpg",
    "nowhere.jpg -k sharpen -o b.jpg",
    "diff nowhere.jpg a.jpg",
    "diff a.jpg nowhere.jpg --csv",
    "draw sheet nowhere.jpg -k box -o s.png",
    "apply a2.jpg -k sharpen -o b.jpg",  # another number is no slip
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo, a picture with alpha and a folder of pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "photos").mkdir()
    save(folder / "a.jpg", noise(32, 40, 3))
    np.save(folder / "f.npy", noise(20, 30, 3).astype(np.float32))
    save(folder / "picture.jpg", noise(32, 40, 3, seed=3))
    save(folder / "c.png", noise(32, 40, 4, seed=1))
    save(folder / "photos" / "one.png", noise(24, 24, 3, seed=2))
    shutil.copy(SAMPLES / "pond.png", folder / "photos" / "two.png")
    return folder


@pytest.mark.parametrize("guess", GUESSES)
def test_the_hint_is_a_line_that_works(
    guess: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    wrong = run(*shlex.split(guess))
    assert (wrong.code in (1, 2), wrong.out, len(wrong.errors())) == (True, b"", 1), wrong.err
    assert {path.name for path in tmp_path.iterdir()} == before, "a wrong line writes nothing"
    hint = re.search(r"^  hint: convcli (.*)$", wrong.err, re.MULTILINE)
    assert hint, wrong.err
    assert hint[1] == GUESSES[guess]
    right = run(*shlex.split(hint[1]))
    assert right.code == 0, right.err


@pytest.mark.parametrize("guess", OPEN)
def test_where_nothing_is_near_nothing_is_guessed(guess: str) -> None:
    wrong = run(*shlex.split(guess))
    assert wrong.code == 2
    assert "did you mean" not in wrong.err
    hint = re.search(r"^  hint: convcli (.*)$", wrong.err, re.MULTILINE)
    assert hint, wrong.err
    assert run(*shlex.split(hint[1])).code == 0


@pytest.mark.parametrize("guess", MISSING)
def test_no_hint_names_a_file_that_is_not_there(guess: str, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)
    wrong = run(*shlex.split(guess))
    assert wrong.code in (1, 2) and wrong.out == b""
    assert "hint" not in wrong.err and "no such file" in wrong.err, wrong.err


@pytest.mark.parametrize("ending", [".yaml", ".npy", ".csv"])
def test_a_file_without_its_ending(ending: str, here: Path) -> None:
    Path("mine.yaml").write_text("weights: [[1]]\n")
    Path("mine.csv").write_text("1\n")
    np.save("mine.npy", np.ones((3, 3)))
    for other in {".yaml", ".npy", ".csv"} - {ending}:
        Path(f"mine{other}").unlink()
    assert f"hint: for the file write mine{ending}\n" in run("show", "mine").err
    assert run("show", f"mine{ending}").code == 0


def test_every_brace_of_the_table_is_filled() -> None:
    every = {**vars(command_words), **vars(words)}
    tables = [value for name, value in every.items() if name.isupper() and isinstance(value, tuple)]
    rows = [row for table in tables for row in table if isinstance(row, words.Word)]
    assert len(rows) > 100
    for row in rows:
        assert set(re.findall(r"{(\w+)}", row.answer)) <= {"name", *FILLINGS}, row


def test_words_longer_than_any_name_are_compared_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    slips = errors._slips
    monkeypatch.setattr(errors, "_slips", lambda word, name: compared.append(name) or slips(word, name))
    assert errors.closest("xyzzy" * 6000, ["gaussian", "sobel-x"]) == ""
    assert errors.closest("gaussian:" + "x" * 30_000, ["gaussian", "sobel-x"]) == "gaussian"
    assert not compared
    assert errors.closest("gausian", ["box", "gaussian"]) == "gaussian"
    assert compared == ["gaussian"]


def test_words_longer_than_names_of_files(here: Path) -> None:
    long = "x" * 5000
    save(here / "a.jpg", noise(8, 8, 3))
    apply = ["apply", "a.jpg", "-k", "box", "-o", "b.png"]
    lines = [
        [long], [long, "-k", "sharpen"], ["diff", long, long], ["diff", "a.jpg", long], ["draw", long], ["show", long],
        ["show", f"gaussian:sigma={long}"], ["list", long], ["help", long], ["compare", f"--{long}"],
        ["compare", "--columns", long], ["compare", "-o", long], ["import", long, "-o", "n.yaml"],
        ["draw", "box", "-o", long], ["schema", long], [*apply, "-k", f"[[1, 2, 1], [{long}]]"],
        *([*apply, option, long] for option in ("--border", "--stride", "--where", "--region", "--amount", "--layout",
          "--channels", "--background", "-O", "--shard", "--range", "--report-file", "--quality", "-o", "--format")),
    ]  # fmt: skip
    for arguments in lines:
        result = run(*arguments)
        assert result.code in (1, 2), arguments[:6]
        assert result.err.startswith("Error: ") and len(result.errors()) == 1
        assert all(len(line) < 1200 for line in result.err.splitlines()), arguments[:6]
