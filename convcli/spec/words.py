"""What people type first, as they know it of other programs, and what it is called here: one table.

A word stands for what is typed in its place, braces for what is made of the values behind it (`convcli.spec.fillings`),
and the note says why. Nothing loads this before something is wrong.
"""

from __future__ import annotations

from typing import NamedTuple


class Word(NamedTuple):
    """`names`, separated by spaces, mean `answer`; so many `values` follow it, or one that is a number, with "?"."""

    names: str
    answer: str
    note: str
    values: int | str = 0


COMMANDS = (
    Word("convert magick mogrify filter run process conv convolve im ffmpeg vips gm", "apply", "apply filters"),
    Word("info identify describe inspect get cat print explain params", "show", "show tells of a kernel"),
    Word("ls kernels names filters", "list", "list tells all kernels"),
    Word("cost costs count flops macs summary torchinfo stats model network nets", "compare", "compare counts"),
    Word("bench benchmark time timing profile speed", "compare --time", "compare --time measures"),
    Word("plot visualize visualise view picture", "draw kernel", "draw kernel draws one"),
    Word("cmp idiff metric psnr rmse difference", "diff", "diff compares pictures"),
    Word("completions autocomplete complete", "completion", "completion prints it"),
    Word("manual manpage docs", "man", "man prints the manual"),
    Word("ffprobe", "show", "show tells of a kernel"),
    Word("netron", "compare", "compare lists the layers of a network"),
    Word("onnx", "import", "import makes a network file"),
    Word("version v", "--version", "--version tells it"),
    Word("usage ?", "--help", "--help tells it"),
)

OWN_COMMANDS = (Word("compare diff draw list show import", "", ""),)

OPTIONS = (
    Word("gray grey grayscale greyscale monochrome bw", "-k grey", "grey is a kernel"),
    Word("colorspace colourspace", "-k {grey}", "grey is a kernel", 1),
    Word("luma luminance lightness", "--channels luma", "brightness alone is --channels luma"),
    Word("rgb color colour", "--channels r,g,b", "channels are named by --channels"),
    Word("sigma radius length angle spacing frequency wavelength gamma-kernel", ":{name}={value}",
         "what a kernel takes follows its name", 1),
    Word("size ksize kernel-size k-size window", ":radius={half}", "the size of a kernel is 2 * radius + 1", 1),
    Word("normalize normalise auto-level autolevel", "--range rescale",
         "of the result that is --range rescale, of weights their field divisor: sum"),
    Word("abs absolute magnitude", "--range abs", "that is --range abs"),
    Word("clamp saturate", "--range clip", "that is --range clip"),
    Word("bias grey-offset", "--range offset", "grey for 0 is --range offset", "?"),
    Word("strength opacity mix blend intensity", "--amount {value}", "that is --amount", 1),
    Word("force yes y f replace", "--overwrite", "that is --overwrite"),
    Word("no-clobber noclobber keep-existing", "", "files are never replaced without --overwrite"),
    Word("output-dir outdir out-dir output-folder dest destination dst save-to target", "-o {folder}",
         "-o takes a folder/, too", 1),
    Word("out outfile output-file output-path write save", "-o {value}", "that is -o", 1),
    Word("input in infile input-file i src source image file", "{value}", "inputs are written without an option", 1),
    Word("i inplace overwrite-original", "--in-place", "that is --in-place"),
    Word("filter kern k type operation op effect preset vkernel", "-k {kernel}", "that is -k", 1),
    Word("vf filter_complex lavfi filter:v", "-k {chain}", "a filter is -k NAME:field=value", 1),
    Word("blur gaussian-blur gaussian gaussblur gblur gauss soften smooth", "-k gaussian{sigma}",
         "a blur is -k gaussian:sigma=N", "?"),
    Word("box-blur boxblur box mean average", "-k box{size}", "a box is -k box:size=N", "?"),
    Word("sharpen sharp", "-k sharpen", "that is a kernel", "?"),
    Word("unsharp unsharp-mask usm", "-k unsharp{geometry}", "that is a kernel", "?"),
    Word("edge edges edge-detect find-edges sobel canny", "-k sobel", "that is a kernel", "?"),
    Word("emboss", "-k emboss", "that is a kernel", "?"),
    Word("laplacian laplace", "-k laplacian", "that is a kernel", "?"),
    Word("motion-blur motion", "-k motion", "that is a kernel", "?"),
    Word("resize scale thumbnail sample zoom geometry", "-k {factor}", "kernels change sizes by whole factors", 1),
    Word("convolve matrix weights kernel-matrix", "-k {value}", "numbers are a kernel: -k '[[...], [...]]'", 1),
    Word("morphology", "-k {kernel}", "-k takes the kernel", 2),
    Word("define set", "", "kernels take such settings as fields, encoders by -O", 1),
    Word("repeat iterations times passes", "*{value}", "a kernel runs again where -k is there again", 1),
    Word("jpeg-quality qscale q:v compression-quality", "--quality {value}", "that is --quality", 1),
    Word("threads workers parallel processes cores n-jobs num-workers", "--jobs {value}", "that is --jobs", 1),
    Word("edge-mode padding-mode border-mode border-type mode boundary virtual-pixel extend pad-mode",
         "--border {border}", "what lies outside is --border", 1),
    Word("no-alpha drop-alpha alpha-off", "--alpha drop", "that is --alpha drop"),
    Word("keep-alpha preserve-alpha", "--alpha keep", "that is --alpha keep"),
    Word("flatten", "--background white", "that is --background"),
    Word("gamma linear-light linear-rgb srgb", "--linear", "that is --linear"),
    Word("verbose v debug progress stats", "--report", "a report on stderr is --report"),
    Word("silent s no-warnings", "--quiet", "that is --quiet"),
    Word("recurse R subfolders", "--recursive", "that is --recursive"),
    Word("dry simulate preview test n check", "--dry-run", "that is --dry-run"),
    Word("gpu cuda opencl fast", "", "there is no such choice: processors compute"),
    Word("device backend", "", "there is no such choice: processors compute", 1),
    Word("strip no-metadata", "", "metadata stay; an output without any is .npy or .ppm"),
    Word("extension ext file-type output-format", "--format {value}", "that is --format", 1),
    Word("csv markdown plain table", "--format {name}", "that is --format"),
    Word("md", "--format markdown", "that is --format"),
    Word("flops params parameters macs memory receptive-field", "", "that is always there"),
    Word("input-size input-shape shape resolution-hw", "--size {hxw}", "that is --size HxW", 1),
    Word("benchmark bench speed timing measure", "--time", "that is --time"),
    Word("plot chart figure", "--draw {value}", "that is --draw", 1),
    Word("all long l a values numbers full names list", "", "that is always there"),
    Word("k", "--kernel-size {value}", "that is --kernel-size", 1),
    Word("metric", "", "all measures are there: RMSE, PSNR, largest and mean", 1),
    Word("psnr rmse mse mae metrics", "", "that is always there"),
    Word("threshold tol fuzz atol", "--tolerance {value}", "that is --tolerance", 1),
    Word("bit-depth bits dtype", "--depth {depth}", "that is --depth", 1),
    Word("bg", "--background {value}", "that is --background", 1),
    Word("show open view display", "-o -", "-o - shows the picture on a terminal"),
    Word("s", "--size {hxw}", "that is --size", 1),
    Word("roi crop", "--region {region}", "what is filtered of a picture is --region", 1),
    Word("verbose-help usage ? help-all", "--help", "that is --help"),
)  # fmt: skip

KERNELS = (
    Word("blur smooth soften gauss gaussian-blur gaussblur gblur smoothing gaussianblur", "gaussian",
         "box, disk and motion blur, too"),
    Word("box-blur boxblur mean average averaging uniform avgblur blur-more", "box", ""),
    Word("bokeh lens-blur defocus circle pillbox", "disk", ""),
    Word("motion-blur linear-blur", "motion", ""),
    Word("sharp sharpening sharpness", "sharpen", ""),
    Word("unsharp-mask usm unsharpmask", "unsharp", ""),
    Word("edges edge-detect edgedetect edge-detection find-edges outline contour contours", "sobel", ""),
    Word("laplace laplacian-3x3", "laplacian", ""),
    Word("log mexican-hat", "laplacian-of-gaussian", ""),
    Word("dog", "difference-of-gaussians", ""),
    Word("derivative dx", "gradient-x", "gradient-y is the other direction"),
    Word("dy", "gradient-y", ""),
    Word("detail edge-enhance edgeenhance", "sharpen", ""),
    Word("edge-enhance-more edgeenhancemore sharpen-more", "sharpen-strong", ""),
    Word("smooth-more", "gaussian:sigma=2", ""),
    Word("separable", "gaussian", "it is two rows of taps"),
    Word("transposed convtranspose2d deconv", "upsample-bilinear-2x", ""),
    Word("deformable deform-conv2d", "swirl", "also lens, ripple, jitter"),
    Word("depthwise depthwise-separable", "grey", "each channel alone is what every kernel does"),
    Word("downsample downscale shrink half halve reduce resize decimate thumbnail", "downsample-2x",
         "by 3: downsample-2x:stride=3"),
    Word("upsample upscale enlarge double bilinear", "upsample-bilinear-2x", "upsample-cubic-2x is sharper"),
    Word("upsample-3x upsample-bilinear-3x upscale-3x enlarge-3x", "upsample-bilinear-2x:stride=3", ""),
    Word("bicubic cubic", "upsample-cubic-2x", ""),
    Word("nearest pixelate", "upsample-nearest-2x", ""),
    Word("gray grayscale greyscale luminance bw monochrome", "grey", ""),
    Word("none noop no-op delta dirac null copy", "identity", ""),
    Word("emboss-3x3 relief bevel", "emboss", ""),
    Word("denoise noise-reduction", "smooth-edges", "it blurs along edges"),
    Word("oil paint painting", "brush", ""),
)  # fmt: skip

#: What `compare` has a row of its own for.
LAYERS = (
    Word("dense conv conv2d nn.conv2d convolution regular full normal", "standard", ""),
    Word("separable", "spatially-separable", ""),
    Word("depthwise-separable-conv separableconv2d dsc dwsep", "depthwise-separable", ""),
    Word("atrous atrous-conv dilation", "dilated", ""),
    Word("transpose convtranspose2d conv-transpose conv2dtranspose deconv deconvolution", "transposed", ""),
    Word("dcn deform deformconv2d deform-conv2d", "deformable", ""),
    Word("dcnv1", "deformable-v1", ""),
    Word("dcnv2", "deformable-v2", ""),
    Word("1x1 conv1x1", "pointwise", ""),
)  # fmt: skip

#: What `list` is asked for.
GROUPS = (
    Word("kernels kernel all filters filter types names everything any * available", "", ""),
    Word("blurs blurring smoothing smooth lowpass", "blur", ""),
    Word("sharpening sharp", "sharpen", ""),
    Word("edge-detection edge-detect gradients derivatives", "edges", ""),
    Word("resizing scaling scale resampling upsampling downsampling", "resize", ""),
    Word("warps warping distort distortion", "warp", ""),
    Word("color colors colours grayscale greyscale gray", "colour", ""),
    Word("mine personal custom user", "own", ""),
    Word("artistic art painting effects", "paint", ""),
)  # fmt: skip

#: What `draw` draws, with a kernel that shows it where none is named.
FIGURES = (
    Word("maps map heatmap feature-maps feature-map featuremaps activations activation features", "draw sheet",
         "maps are panels of a sheet"),
    Word("montage grid contact-sheet collage gallery before-after side-by-side diff difference results", "draw sheet",
         "that is a sheet"),
    Word("response frequency frequency-response gain spectrum fft bode weights matrix values", "draw kernel sharpen",
         "weights and gain by frequency are of draw kernel"),
    Word("transposed upsampling deconv transpose", "draw steps upsample-bilinear-2x", "steps show how it moves"),
    Word("dilated atrous dilation", "draw steps dilated-laplacian", "steps show how it moves"),
    Word("strided stride", "draw steps sharpen --stride 2", "steps show how it moves"),
    Word("animation animate gif movie video sliding slide convolution conv arithmetic", "draw steps sharpen",
         "steps move where the file does: .gif, .webp, .svg"),
    Word("deformable deform sampling points samples", "draw taps swirl", "taps show where it reads"),
    Word("receptive-field rf receptive erf", "draw field", "that is field"),
    Word("offset flow arrows displacement vectors", "draw offsets swirl", "that is offsets"),
    Word("depthwise depthwise-separable separable layer", "draw layers", "that is layers"),
    Word("cost costs bars chart compare flops", "compare --draw costs.svg", "costs are drawn by compare"),
    Word("network net architecture graph model", "compare", "compare lists the layers of a network"),
)  # fmt: skip

#: Endings of files that other programs keep networks in -> how convcli gets to read them.
FOREIGN = {
    **dict.fromkeys(("pt", "pth", "ckpt", "bin"), "in Python torch.onnx.export(model, x, 'model.onnx'), or of the"
                    " weights alone safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"),
    **dict.fromkeys(("h5", "keras", "pb", "tflite"), "python -m tf2onnx.convert makes a model.onnx of it"),
    **dict.fromkeys(("pkl", "pickle", "joblib"), "in Python numpy.save('weights.npy', weights)"),
}  # fmt: skip
#: Endings of pictures, for commands that take none.
PICTURES = ("jpg", "jpeg", "png", "tif", "tiff", "webp", "gif", "bmp", "ppm", "pgm", "jp2", "avif", "exr", "hdr")

#: Filters that no kernel is, each with what does something like it, if there is such.
NO_CONVOLUTIONS = (
    Word("median medianblur median-filter despeckle", "smooth-edges", "it sorts the samples under its window"),
    Word("bilateral bilateralfilter surface-blur selective-blur nlmeans nlm kuwahara", "smooth-edges",
         "its weights follow from what the samples are"),
    Word("canny", "gradient", "it thins and links the edges that a gradient tells"),
    Word("erode erosion dilate dilation-morphology opening closing tophat blackhat", "",
         "it takes the least or the largest sample under its window"),
    Word("threshold otsu binarize binarise negate invert posterize solarize", "", "it looks at one sample at a time"),
    Word("equalize equalise clahe contrast levels curves", "", "it looks at how many samples are how light"),
    Word("medianfilter minfilter maxfilter rankfilter", "smooth-edges", "it sorts the samples under its window"),
    Word("maxpool max-pool maxpool2d avgpool linear attention batchnorm relu softmax lstm", "",
         "it is a layer of network files, or none at all"),
    Word("sepia vintage", "", "write how channels mix: weights of a filter bank, as kernel 'grey' does"),
    Word("resnet resnet18 resnet50 vgg vgg16 mobilenet unet efficientnet yolo alexnet", "",
         "it is a network, which a file holds: compare net.yaml, or import net.onnx"),
    Word("rotate crop", "", "it moves samples, and weighs none"),
)  # fmt: skip

FIELDS = (
    Word("size ksize kernel_size width diameter", "radius={half}", "the size is 2 * radius + 1"),
    Word("std stddev stdev s", "sigma={value}", ""),
    Word("r rad", "radius={value}", ""),
    Word("theta direction degrees rotation", "angle={value}", ""),
    Word("dist distance len", "length={value}", ""),
    Word("pad", "padding={value}", ""),
    Word("strides step", "stride={value}", ""),
    Word("rate dilate atrous", "dilation={value}", ""),
    Word("edge mode boundary padding_mode", "border={border}", ""),
    Word("norm normalize normalise normalized", "divisor=sum", ""),
)

#: What takes a sigma or an amount in place of kernels that are their weights alone.
RICHER = {
    "sharpen": "unsharp",
    "sharpen-strong": "unsharp",
    "binomial-5": "gaussian",
    "laplacian": "laplacian-of-gaussian",
}

#: Values of options by other programs' words.
VALUES = {
    "edge": "replicate", "nearest": "replicate", "clamp": "replicate", "extend": "replicate", "copy": "replicate",
    "mirror": "reflect", "reflect101": "reflect", "reflect_101": "reflect", "constant": "zero", "zeros": "zero",
    "black": "zero", "none": "zero", "fill": "zero", "tile": "wrap", "circular": "wrap", "periodic": "wrap",
    "repeat": "wrap", "background": "zero", "absolute": "abs", "magnitude": "abs", "normalize": "rescale",
}  # fmt: skip


def plain(word: str) -> str:
    """A word without what people write differently: capitals, and lines for dashes."""
    return word.lower().replace("_", "-").strip()


def lookup(word: str, table: tuple[Word, ...]) -> Word | None:
    """The row of a table that a word is in."""
    return next((row for row in table if word in row.names.split() or plain(word) in row.names.split()), None)


def group(word: str) -> str:
    """What `list` looks for by a word: a group by its other names; nothing where all kernels are meant."""
    row = lookup(word, GROUPS)
    return row.answer if row else word.lower()
