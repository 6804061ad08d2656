// The same as the package's main module, in one file.
declare module 'echarts/dist/echarts.esm.min.mjs' {
  export * from 'echarts';
}
