package android.content.res;

import java.io.FileDescriptor;
import java.io.IOException;
import java.io.RandomAccessFile;

/** A whole file. */
public class AssetFileDescriptor implements AutoCloseable {
  private final RandomAccessFile file;

  AssetFileDescriptor(String path) throws IOException {
    file = new RandomAccessFile(path, "r");
  }

  public FileDescriptor getFileDescriptor() throws IOException {
    return file.getFD();
  }

  public long getStartOffset() {
    return 0;
  }

  public long getLength() throws IOException {
    return file.length();
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
