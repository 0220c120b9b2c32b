package archspec;

import android.content.res.AssetFileDescriptor;
import android.content.res.AssetManager;
import android.graphics.Bitmap;
import android.os.Build;
import android.os.Process;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.Tensor;

/** $model on photos. Not for several threads at a time; close it when done. */
public final class ${Class}Network implements AutoCloseable {
  private final Interpreter interpreter;
  private final String signature;
  private final String input;

  /** Loads the asset for the ABI that this process runs in. */
  public ${Class}Network(AssetManager assets) throws IOException {
    this(map(assets, asset(Process.is64Bit() ? Build.SUPPORTED_64_BIT_ABIS : Build.SUPPORTED_32_BIT_ABIS)));
  }

  /** Takes a .tflite file, mapped or in a direct buffer. */
  public ${Class}Network(ByteBuffer file) {
    interpreter = new Interpreter(file, new Interpreter.Options());
    signature = interpreter.getSignatureKeys()[0];
    input = interpreter.getSignatureInputs(signature)[0];
  }

  /** The answers to a photo that stands upright (no hardware bitmap), by output. */
  public Map<String, float[]> run(Bitmap photo) {
    int[] argb = new int[photo.getWidth() * photo.getHeight()];
    photo.getPixels(argb, 0, photo.getWidth(), 0, 0, photo.getWidth(), photo.getHeight());
    return run(argb, photo.getWidth(), photo.getHeight());
  }

  /** The same for pixels, ARGB by rows. Answers are dequantized, in the order of the tensor: by rows, channels last. */
  public Map<String, float[]> run(int[] argb, int width, int height) {
    Map<String, Object> fed = new HashMap<>();
    fed.put(input, fill(interpreter.getInputTensorFromSignature(input, signature), argb, width, height));
    Map<String, Object> raw = new HashMap<>();
    for (String name : interpreter.getSignatureOutputs(signature)) {
      raw.put(name, buffer(interpreter.getOutputTensorFromSignature(name, signature)));
    }
    interpreter.runSignature(fed, raw, signature);
    Map<String, float[]> answers = new HashMap<>();
    for (String name : raw.keySet()) {
      Tensor tensor = interpreter.getOutputTensorFromSignature(name, signature);
      answers.put(name, read(tensor, (ByteBuffer) raw.get(name)));
    }
    return answers;
  }

  @Override
  public void close() {
    interpreter.close();
  }

  private static String asset(String[] abis) {
    for (String abi : abis) {
      switch (abi) {
$assets
        default:
      }
    }
    throw new UnsupportedOperationException("$model has no file for " + Arrays.toString(abis));
  }

  private static ByteBuffer map(AssetManager assets, String name) throws IOException {
    try (AssetFileDescriptor file = assets.openFd(name);
        FileInputStream stream = new FileInputStream(file.getFileDescriptor())) {
      return stream.getChannel().map(FileChannel.MapMode.READ_ONLY, file.getStartOffset(), file.getLength());
    }
  }

  private static ByteBuffer buffer(Tensor tensor) {
    return ByteBuffer.allocateDirect(tensor.numBytes()).order(ByteOrder.nativeOrder());
  }

  private static ByteBuffer fill(Tensor tensor, int[] argb, int width, int height) {
    ByteBuffer buffer = buffer(tensor);
    float scale = tensor.quantizationParams().getScale();
    int zero = tensor.quantizationParams().getZeroPoint();
    for (float v : ${Class}Input.prepare(argb, width, height)) {
      switch (tensor.dataType()) {
        case FLOAT32:
          buffer.putFloat(v);
          break;
        case INT8:
          buffer.put((byte) ${Class}Input.quantize(v, scale, zero, -128, 127));
          break;
        case UINT8:
          buffer.put((byte) ${Class}Input.quantize(v, scale, zero, 0, 255));
          break;
        case INT16:
          buffer.putShort((short) ${Class}Input.quantize(v, scale, zero, -32768, 32767));
          break;
        default:
          throw new IllegalStateException("input of " + tensor.dataType());
      }
    }
    buffer.rewind();
    return buffer;
  }

  private static float[] read(Tensor tensor, ByteBuffer buffer) {
    buffer.rewind();
    double scale = tensor.quantizationParams().getScale();
    int zero = tensor.quantizationParams().getZeroPoint();
    float[] values = new float[tensor.numElements()];
    for (int i = 0; i < values.length; i++) {
      switch (tensor.dataType()) {
        case FLOAT32:
          values[i] = buffer.getFloat();
          break;
        case INT8:
          values[i] = (float) ((buffer.get() - zero) * scale);
          break;
        case UINT8:
          values[i] = (float) (((buffer.get() & 255) - zero) * scale);
          break;
        case INT16:
          values[i] = (float) ((buffer.getShort() - zero) * scale);
          break;
        default:
          throw new IllegalStateException("output of " + tensor.dataType());
      }
    }
    return values;
  }
}
