"""What other programs call kernels, their fields and values, and what these are called here.

A word stands for what is typed in its place, braces for what is made of the values behind it (`convcli.spec.fillings`),
and the note says why. Nothing loads this before something is wrong. Commands and options are in `convcli.cli.words`.
"""

from __future__ import annotations

from typing import NamedTuple


class Word(NamedTuple):
    """`names`, separated by spaces, mean `answer`; so many `values` follow it, or one that is a number, with "?"."""

    names: str
    answer: str
    note: str
    values: int | str = 0


KERNELS = (
    Word("blur smooth soften gauss gaussian-blur gaussblur gblur smoothing gaussianblur", "gaussian",
         "box, disk and motion blur, too"),
    Word("box-blur boxblur mean average averaging uniform avgblur blur-more", "box", ""),
    Word("bokeh lens-blur defocus circle pillbox", "disk", ""),
    Word("motion-blur linear-blur comet", "motion", ""),
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
    Word("depthwise depthwise-separable", "{type: depthwise_separable, depthwise: {fill: 1, size: 3}, axes: yx,"
         " divisor: sum, pointwise: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}", "a kernel per channel, then a mix"),
    Word("conv conv2d standard dense convolution", "sharpen", "every kernel is one"),
    Word("dilated atrous", "dilated-laplacian", "any kernel takes dilation=2"),
    Word("downsample downscale downscale-2x shrink shrink-2x half halve reduce resize decimate thumbnail",
         "downsample-2x", "by 3: downsample-2x:stride=3"),
    Word("upsample upsample-2x upscale upscale-2x 2x enlarge enlarge-2x double bilinear", "upsample-bilinear-2x",
         "upsample-cubic-2x is sharper"),
    Word("upsample-3x upsample-bilinear-3x upscale-3x enlarge-3x", "upsample-bilinear-2x:stride=3", ""),
    Word("bicubic cubic", "upsample-cubic-2x", ""),
    Word("nearest pixelate", "upsample-nearest-2x", ""),
    Word("gray grayscale greyscale luminance bw monochrome black-and-white desaturate", "grey", ""),
    Word("none noop no-op delta dirac null copy", "identity", ""),
    Word("emboss-3x3 relief bevel", "emboss", ""),
    Word("denoise noise-reduction", "smooth-edges", "it blurs along edges"),
    Word("slope steepness", "gradient", "in levels per pixel"),
    Word("oil oil-paint oilpaint paint painting", "brush", ""),
    Word("high-pass highpass", "{type: combined, of: [identity, gaussian], by: difference}", "a picture less its blur"),
    Word("clarity structure local-contrast", "unsharp:sigma=20,amount=0.3", "an unsharp mask of a large sigma"),
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
    Word("median medianblur median-filter despeckle statistic", "smooth-edges",
         "it sorts the samples under its window"),
    Word("bilateral bilateralfilter bilateral-blur surface-blur selective-blur adaptive-blur nlmeans nlm kuwahara",
         "smooth-edges", "its weights follow from what the samples are"),
    Word("canny", "gradient", "it thins and links the edges that a gradient tells"),
    Word("erode erosion dilate dilation-morphology opening closing tophat blackhat", "",
         "it takes the least or the largest sample under its window"),
    Word("threshold otsu binarize binarise negate invert posterize solarize modulate brightness", "",
         "it looks at one sample at a time"),
    Word("equalize equalise clahe contrast levels curves", "", "it looks at how many samples are how light"),
    Word("medianfilter minfilter maxfilter rankfilter", "smooth-edges", "it sorts the samples under its window"),
    Word("maxpool max-pool maxpool2d avgpool linear attention batchnorm relu softmax lstm", "",
         "it is a layer of network files, or none at all"),
    Word("vignette", "", "it darkens by place; a picture in --where says where a kernel works"),
    Word("tilt-shift tiltshift", "", "a blur of what a picture says: -k disk:9 --where mask.png"),
    Word("sepia vintage saturation saturate vibrance hue", "",
         "write how channels mix: weights of a filter bank, as kernel 'grey' does"),
    Word("resnet resnet18 resnet50 vgg vgg16 mobilenet unet efficientnet yolo alexnet", "",
         "it is a network, which a file holds: compare net.yaml, or import net.onnx"),
    Word("hillshade shade shaded-relief", "emboss", "it is the cosine of an angle with the slope"),
    Word("rotate crop", "", "it moves samples, and weighs none"),
)  # fmt: skip

FIELDS = (
    Word("size ksize kernel_size width diameter", "radius={half}", "the size is 2 * radius + 1"),
    Word("sigma std stddev stdev s", "sigma={number}", ""),
    Word("radius r rad", "radius={number}", ""),
    Word("angle theta direction degrees rotation", "angle={number}", ""),
    Word("length dist distance len", "length={number}", ""),
    Word("padding pad", "padding={padding}", ""),
    Word("stride strides step", "stride={sizes}", ""),
    Word("dilation rate dilate atrous", "dilation={sizes}", ""),
    Word("border edge mode boundary padding_mode", "border={border}", ""),
    Word("norm normalize normalise normalized", "divisor=sum", ""),
)

#: What takes a sigma or an amount in place of kernels that are their weights alone.
RICHER = {
    "sharpen": "unsharp",
    "sharpen-strong": "unsharp",
    "binomial-5": "gaussian",
    "laplacian": "laplacian-of-gaussian",
}

#: What lies outside, by other programs' words; numbers are samples of 8 bits.
BORDERS = (
    Word(
        "mirror mirror101 reflect101 reflect-101 reflection border-reflect-101 border-reflect101 border-default",
        "reflect",
        "",
    ),
    Word("edge nearest clamp extend copy duplicate border-replicate", "replicate", ""),
    Word("tile circular periodic repeat cyclic grid-wrap border-wrap", "wrap", ""),
    Word("constant zeros none fill background black transparent empty border-constant", "zero", "or a number"),
    Word("half-sample grid-mirror border-reflect", "symmetric", ""),
    Word("white", "255", "a number of samples"),
    Word("grey gray", "128", "a number of samples"),
)


#: Depths by other programs' words.
DEPTHS = (
    Word("uint8 8bit 8-bit byte u8", "8", ""),
    Word("uint16 16bit 16-bit u16", "16", ""),
    Word("float32 float64 float 32 f32", "float", ""),
)


def plain(word: str) -> str:
    """A word without what people write differently: capitals, and lines for dashes."""
    return word.lower().replace("_", "-").strip()


def lookup(word: str, table: tuple[Word, ...]) -> Word | None:
    """The row of a table that a word is in."""
    return next((row for row in table if word in row.names.split() or plain(word) in row.names.split()), None)
